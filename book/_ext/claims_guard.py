"""Sphinx extension: the build fails unless the book's numbered statements and the ledger of claims agree."""

from sphinx.errors import ExtensionError

from lorabook import claims

STATEMENTS = {"theorem", "lemma", "proposition", "corollary"}


def compare(app, env):
    """Raise ExtensionError for a statement without an entry in claims.toml and for an entry without its statement."""
    proofs = getattr(env, "proof_list", {})
    stated = {
        label for label, proof in proofs.items() if proof["realtype"] in STATEMENTS
    }
    entered = {claim.label for claim in claims.load()}
    complaints = [
        f"{label} is stated but has no entry in lorabook/claims.toml"
        for label in sorted(stated - entered)
    ]
    complaints += [
        f"{label} is in lorabook/claims.toml but not stated in the book"
        for label in sorted(entered - stated)
    ]
    if complaints:
        raise ExtensionError("claims: " + "; ".join(complaints))


def setup(app):
    """Compare once all pages are read."""
    app.connect("env-check-consistency", compare)
    return {"parallel_read_safe": True}

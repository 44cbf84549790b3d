// What the theme leaves out for readers without a mouse or without a screen.
(() => {
  // What unfolds the pages below a page of the contents has a name.
  const name_folds = () => {
    for (const fold of document.querySelectorAll(".bd-sidebar .has-children > details > summary")) {
      const page = fold.closest(".has-children").querySelector("a");
      fold.setAttribute("aria-label", `Pages below ${page.textContent.trim()}`);
    }
  };

  // The theme takes the keyboard from a button that was pressed. Pressed with a key, it gets it back.
  addEventListener("click", (press) => {
    const button = press.target.closest?.("button");
    if (button && press.detail === 0) setTimeout(() => document.activeElement === document.body && button.focus());
  });

  // What scrolls sideways within the page has a stop of the Tab key, and a name. It fades out on the right while there
  // is more of it.
  const BOXES = [
    ["div.math, mjx-container", "formula"],
    [".highlight pre, .output pre", "code or output"],
    [".pst-scrollable-table-container, .cell_output .output, table.dataframe, .output .text_html", "table or output"],
    [".lorabook-explorer", "chart"],
    [".lorabook-figure", "figure"],
  ];
  const scrolls = (box) =>
    box.scrollWidth > box.clientWidth + 1 && ["auto", "scroll"].includes(getComputedStyle(box).overflowX);

  const fade = (box) => {
    const more = scrolls(box) ? box.scrollWidth - box.clientWidth - box.scrollLeft : 0;
    box.classList.toggle("lorabook-more", more > 1);
    box.style.setProperty("--lorabook-more", `${more}px`); // what is there fades, and not the last letters before it
  };
  addEventListener("scroll", (event) => event.target.classList?.contains("lorabook-wide") && fade(event.target), true);

  const mark = (box, what) => {
    box.classList.toggle("lorabook-wide", scrolls(box));
    fade(box);
    if (scrolls(box)) {
      box.tabIndex = 0;
      if (!box.hasAttribute("role")) {
        box.dataset.scrollable = "";
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", `Wide ${what}, scrolls sideways`);
      }
    } else if (box.hasAttribute("tabindex")) {
      box.removeAttribute("tabindex");
      if ("scrollable" in box.dataset)
        for (const name of ["role", "aria-label", "data-scrollable"]) box.removeAttribute(name);
    }
  };
  // A box is looked at when it gets another width: with the window, or because what held it was unfolded.
  const names = new Map();
  const widths = new ResizeObserver((changes) => {
    for (const change of changes) mark(change.target, names.get(change.target));
  });
  const watch = () => {
    for (const [selector, what] of BOXES)
      for (const box of document.querySelectorAll(selector)) {
        if (names.has(box)) continue;
        names.set(box, what);
        widths.observe(box);
      }
    // A chart is drawn again when its box has another width, and is as wide as the old one until then.
    addEventListener("lorabook-drawn", (event) => mark(event.target, "chart"));
    // Letters of another font change what is in a box, and not the box.
    document.fonts.ready.then(() => names.forEach((what, box) => mark(box, what)));
  };
  addEventListener("DOMContentLoaded", name_folds);
  addEventListener("load", () => Promise.resolve(window.MathJax?.startup?.promise).then(watch));
})();

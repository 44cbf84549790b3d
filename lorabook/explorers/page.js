// Shows the picture that was computed for the sliders' positions. It looks up; it computes nothing.
(() => {
  const root = document.getElementById("EXPLORER_NAME");
  const content = JSON.parse(root.querySelector(".lorabook-content").textContent);
  const sliders = [...root.querySelectorAll("input[type=range]")];
  const starts = sliders.map((slider) => slider.value);
  let view = null;

  const setting = () =>
    sliders.reduce((index, slider, i) => index * content.positions[i].length + Number(slider.value), 0);

  const rows = (picture) =>
    content.curves.flatMap((curve) => {
      const [x, y, low, high] = (picture[curve.key] || [null, null, null, null]).map((i) => content.arrays[i]);
      if (!x) return [];
      const step = curve.mark === "bars" && x.length > 1 ? x[1] - x[0] : 0;
      return x.map((value, i) => ({
        key: curve.key, side: curve.gap !== null && value > curve.gap, label: curve.label, mark: curve.mark,
        x: value - step / 2, x2: value + step / 2, y: y[i], low: low ? low[i] : y[i], high: high ? high[i] : y[i],
      }));
    });

  const update = () => {
    sliders.forEach((slider, i) => {
      const text = content.positions[i][Number(slider.value)];
      slider.setAttribute("aria-valuetext", text);
      root.querySelector(`output[for="${slider.id}"]`).textContent = text;
    });
    root.querySelector(".lorabook-words").textContent = content.words[setting()];
    if (view) view.data("shown", rows(content.pictures[setting()])).run();
  };

  sliders.forEach((slider) => slider.addEventListener("input", update));
  root.querySelector(".lorabook-reset").addEventListener("click", () => {
    sliders.forEach((slider, i) => (slider.value = starts[i]));
    update();
  });
  update();
  content.spec.data.values = rows(content.pictures[setting()]);
  const box = root.querySelector(".lorabook-picture");
  const start = () =>
    window.vegaEmbed(box, content.spec, { actions: false, renderer: "svg" }).then((result) => {
      view = root.view = result.view;
      update();
      // Vega measures when the window changes; sidebars change the width, too, and later.
      let width = 0;
      new ResizeObserver(() => {
        if (!box.clientWidth || box.clientWidth === width) return;
        width = box.clientWidth;
        view.width(width).runAsync().then(() => root.dispatchEvent(new Event("lorabook-drawn", { bubbles: true })));
      }).observe(box);
    });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();

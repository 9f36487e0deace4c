// Draws a chart in the browser. The drawing library is a trait instead of an import, because of its size:
// anywidget ignores all further changes to a widget whose module takes more than two seconds to load.

let library;

function load(source) {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  return import(url).finally(() => URL.revokeObjectURL(url));
}

function render({ model, el }) {
  let latest = 0;
  let shown = null;

  function remove() {
    shown?.finalize();
    shown = null;
    el.replaceChildren();
  }

  async function draw(number) {
    library ??= load(model.get("_library"));
    const { default: embed } = await library;
    if (number !== latest) return;
    remove();
    const spec = structuredClone(model.get("spec"));
    if (spec === null) return;
    const place = el.appendChild(document.createElement("div"));
    const drawn = await embed(place, spec, structuredClone(model.get("_options")));
    if (number === latest) shown = drawn;
    else drawn.finalize();
  }

  // A newer drawing may begin during an older one, and end before it: the older one then changes nothing.
  async function tryToDraw() {
    const number = ++latest;
    try {
      await draw(number);
    } catch (error) {
      if (number !== latest) return;
      remove();
      const message = el.appendChild(document.createElement("p"));
      message.className = "custdyn-error";
      message.textContent = `The chart cannot be drawn: ${error.message}`;
    }
  }

  model.on("change:spec", tryToDraw);
  tryToDraw();
  return () => {
    latest += 1;
    model.off("change:spec", tryToDraw);
    remove();
  };
}

export default { render };

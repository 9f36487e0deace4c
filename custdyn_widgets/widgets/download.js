// Saves files from Python as downloads, and draws a button for each.
// The listener belongs to the model, so that a file is saved only once, regardless of the number of views.

// The id of this page. If several pages show a notebook, only the page that requested the file receives it.
const PAGE = Symbol.for("custdyn.page");
globalThis[PAGE] ??= crypto.getRandomValues(new Uint32Array(2)).join("-");

function save(name, type, bytes) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type }));
  link.download = name;
  link.hidden = true;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function initialize({ model }) {
  const received = (message, buffers) => {
    const here = !message.page || message.page === globalThis[PAGE];
    if (message.kind === "file" && here) save(message.name, message.type, buffers[0]);
  };
  model.on("msg:custom", received);
  return () => model.off("msg:custom", received);
}

function render({ model, el }) {
  el.classList.add("custdyn-download");
  const draw = () => {
    const buttons = model.get("buttons").map(([key, words]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.lmSuppressShortcuts = "true"; // otherwise, Lab handles keys: D, D deletes a cell
      button.textContent = words;
      button.addEventListener("click", () => model.send({ ask: key, page: globalThis[PAGE] }));
      return button;
    });
    el.replaceChildren(...buttons);
  };
  draw();
  model.on("change:buttons", draw);
  return () => model.off("change:buttons", draw);
}

export default { initialize, render };

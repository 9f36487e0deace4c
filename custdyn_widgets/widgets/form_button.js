// A button of the form. It is a native button, so that Enter and Space work, and is dimmed instead of
// disabled, so that it keeps the focus.

const BIN =
  "M6 1h4l1 1h3v2H2V2h3zM3 5h10l-.8 10H3.8zM5.5 7l.3 6h1l-.3-6zm2 0v6h1V7zm2 0-.3 6h1l.3-6z";

const GONE = "The kernel stopped or was restarted: run the cells again.";

const PAGE = Symbol.for("custdyn.page"); // the id of this page, set in download.js

function picture(path) {
  const space = "http://www.w3.org/2000/svg";
  const [svg, drawn] = ["svg", "path"].map((name) => document.createElementNS(space, name));
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  drawn.setAttribute("d", path);
  svg.append(drawn);
  return svg;
}

function render({ model, el }) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.lmSuppressShortcuts = "true"; // otherwise, Lab handles keys: D, D deletes a cell
  el.replaceChildren(button);

  const show = () => {
    const [look, words] = [model.get("look"), model.get("description")];
    button.className = `custdyn-button custdyn-${look}`;
    button.title = model.get("tooltip");
    button.setAttribute("aria-disabled", String(model.get("disabled")));
    if (look === "bin") {
      button.setAttribute("aria-label", words);
      button.replaceChildren(picture(BIN));
    } else button.textContent = words;
  };
  button.addEventListener("click", () => {
    if (!model.get("disabled")) model.send({ clicked: true, page: globalThis[PAGE] });
  });
  const gone = () => {
    button.title = GONE;
    button.setAttribute("aria-disabled", "true");
  };
  model.on("change", show);
  model.on("comm_live_update", gone);
  show();
  return () => {
    model.off("change", show);
    model.off("comm_live_update", gone);
  };
}

export default { render };

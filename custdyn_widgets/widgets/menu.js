// A button of the form with a menu. Arrow keys, Home and End move within it, Escape closes it, Tab leaves it.

const GONE = "The kernel stopped or was restarted: run the cells again.";

function render({ model, el }) {
  const id = `custdyn-${Math.random().toString(36).slice(2)}`;
  const opener = element("button", {
    type: "button", class: "custdyn-button custdyn-plain custdyn-opens-menu", "aria-haspopup": "menu",
    "aria-expanded": "false", "aria-controls": id,
  });
  const menu = element("div", { id, class: "custdyn-popup custdyn-question-menu", popover: "auto", role: "menu" });
  el.replaceChildren(opener, menu);

  const items = () => [...menu.children];
  const isOpen = () => menu.matches(":popover-open");
  function close() {
    if (isOpen()) menu.hidePopover();
  }
  function open() {
    if (model.get("disabled") || isOpen()) return;
    menu.showPopover();
    place();
    items()[0]?.focus();
  }
  function place(event) {
    if (event && menu.contains(event.target)) return;
    const edge = opener.getBoundingClientRect();
    const below = window.innerHeight - edge.bottom;
    const above = below < menu.scrollHeight + 12 && edge.top > below;
    menu.style.left = `${Math.max(8, Math.min(edge.left, window.innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.maxHeight = `${Math.max(120, (above ? edge.top : below) - 12)}px`;
    menu.style.top = above ? "auto" : `${edge.bottom + 2}px`;
    menu.style.bottom = above ? `${window.innerHeight - edge.top + 2}px` : "auto";
  }
  const show = () => {
    opener.textContent = model.get("description");
    opener.title = model.get("tooltip");
    opener.setAttribute("aria-disabled", String(model.get("disabled")));
    menu.setAttribute("aria-label", model.get("description"));
    menu.replaceChildren(...model.get("options").map(([key, words]) => {
      const item = element("button", { type: "button", role: "menuitem", tabindex: "-1" }, words);
      item.addEventListener("click", () => {
        close();
        opener.focus();
        model.send({ chosen: key, page: globalThis[PAGE] });
      });
      return item;
    }));
  };
  // Clicking the button while the menu is open closes the menu before the click event arrives.
  let wasOpen = false;
  opener.addEventListener("pointerdown", () => (wasOpen = isOpen()));
  opener.addEventListener("click", () => (wasOpen ? close() : open(), (wasOpen = false)));
  opener.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    open();
  });
  menu.addEventListener("toggle", ({ newState }) => {
    opener.setAttribute("aria-expanded", String(newState === "open"));
    (newState === "open" ? addEventListener : removeEventListener)("scroll", place, true);
  });
  menu.addEventListener("keydown", (event) => {
    const [all, at] = [items(), items().indexOf(event.target)];
    const last = all.length - 1;
    const to = { ArrowDown: at === last ? 0 : at + 1, ArrowUp: at ? at - 1 : last, Home: 0, End: last }[event.key];
    if (to !== undefined) all[to].focus();
    else if (event.key === "Escape") (close(), opener.focus());
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  menu.addEventListener("focusout", ({ relatedTarget: to }) => to && to !== opener && !menu.contains(to) && close());
  const gone = () => {
    close();
    opener.title = GONE;
    opener.setAttribute("aria-disabled", "true");
  };
  model.on("change", show);
  model.on("comm_live_update", gone);
  show();
  return () => {
    model.off("change", show);
    model.off("comm_live_update", gone);
    removeEventListener("scroll", place, true);
  };
}

export default { render };

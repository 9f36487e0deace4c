// The link of a snapshot, or why there is none. Python prepends this to the modules of panels with a link.

const NEEDS_KERNEL = { "data-needs-kernel": "" };

function openPage(bytes) {
  const address = URL.createObjectURL(new Blob([bytes], { type: "text/html;charset=utf-8" }));
  window.open(address, "_blank", "noopener");
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

// Without https, or if the browser denies access to the clipboard, copying needs a selection.
async function copied(anchor) {
  try {
    await navigator.clipboard.writeText(anchor.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(anchor);
    return document.execCommand("copy");
  }
}

function copyButton(anchor, feedback) {
  const copy = button("Copy link", async () => {
    const done = await copied(anchor);
    feedback.textContent = done ? "Copied" : "Press Ctrl+C to copy the selected link";
    copy.textContent = done ? "Copied" : "Copy link";
    setTimeout(() => (copy.textContent = "Copy link"), 2_000);
  });
  return copy;
}

// Returns the link with a message; `open` asks Python for the page, to open it here.
function linkLine({ link, words, page, busy }, open) {
  const parts = [];
  if (/^https?:\/\//.test(link)) {
    const feedback = element("span", { class: "custdyn-unseen", role: "status" });
    const anchor = element("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, link);
    parts.push(element("span", {}, "Share: "), anchor, copyButton(anchor, feedback), feedback);
  }
  if (page) parts.push(button("Open the page", open, NEEDS_KERNEL));
  if (busy) parts.push(element("progress", { "aria-label": "Creating the link" }));
  if (words) parts.push(element("span", { class: "custdyn-words" }, words));
  return parts;
}

// Sharing what is on show: its address, with the controls or without them.

import { h, setText } from "../ui/dom.js";

/**
 * @param {HTMLElement} parent
 * @param {(bare: boolean) => URLSearchParams} address
 * @param {() => boolean} isOwnFile what is on show is a file of this browser
 */
export function createShare(parent, address, isOwnFile) {
  const link = h("input", { type: "text", readonly: true, "aria-label": "Link to this view", onclick: () => link.select() });
  const bare = h("input", { type: "checkbox", onchange: () => show() });
  const said = h("p", { role: "status" });
  const limits = h("p", { class: "limits" });
  const close = h("button", { type: "button", onclick: () => dialog.close() }, "Close");
  const dialog = h(
    "dialog",
    { class: "share sheet", "aria-labelledby": "share-title" },
    h("h2", { id: "share-title" }, "Share this view"),
    h(
      "p",
      {},
      "Panels, theme, the span of the charts, settings, seed, environment and the guide's chapter. Who opens it is asked before anything happens to a run; it gives nobody control.",
    ),
    h("div", { class: "row" }, link, h("button", { type: "button", class: "primary", onclick: () => void copy() }, "Copy the link")),
    limits,
    h(
      "label",
      {},
      bare,
      " Hide the controls, for a page that embeds this one (the server has to be started with --frame-ancestors and that page's origin)",
    ),
    h("div", { class: "row" }, said, close),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  parent.append(dialog);

  function show() {
    setText(limits, limitsOf(location, isOwnFile()));
    limits.hidden = limits.textContent === "";
    link.value = `${location.origin}${location.pathname}?${address(bare.checked)}`;
  }

  async function copy() {
    link.select();
    try {
      await navigator.clipboard.writeText(link.value);
      setText(said, "Copied.");
    } catch {
      setText(said, "Copying is not permitted here: the link is selected, copy it with the keyboard.");
    }
  }

  return {
    isOpen: () => dialog.open,
    open() {
      setText(said, "");
      show();
      dialog.showModal();
    },
  };
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * Who cannot open the address.
 *
 * @param {{ hostname: string, port: string, protocol?: string }} where
 * @param {boolean} isOwnFile
 */
export function limitsOf({ hostname, port, protocol }, isOwnFile) {
  if (protocol === "file:") return "This page is a file, and the run is in it: give others the file itself.";
  const here = LOOPBACK.test(hostname)
    ? `Nobody else can open this address: ${hostname} is always the computer that one sits at. Others reach this server through a tunnel to it (ssh -L ${port || 80}:127.0.0.1:${port || 80} …), or get a recording (ppo-scope record --out FILE), which every PPO Scope opens.`
    : "";
  const file = isOwnFile ? "The recording on show is a file of this browser: whoever opens the link has to open the file first." : "";
  return [here, file].filter(Boolean).join(" ");
}

// SPDX-License-Identifier: GPL-3.0-or-later
// The clipboard between this browser and the desktop. Where the browser lets the page read and write its own
// clipboard, text follows by itself while the page is in front; everywhere there is a text box for it. Text is only
// ever text here: a value of a text box, never markup.
import { Button, TextArea } from "@patternfly/react-core";
import type RFB from "@novnc/novnc";
import { useEffect, useRef, useState, type RefObject } from "react";

const TEXT_MAX = 1 << 20;

/** What the desktop copied last, and a way to send it text. */
export function useClipboard(rfb: RefObject<RFB | undefined>, connected: boolean) {
  const [text, setText] = useState("");
  const [denied, setDenied] = useState(!navigator.clipboard);
  const last = useRef(""); // what both sides have: not sent in circles

  const send = (value: string) => {
    last.current = value;
    setText(value);
    rfb.current?.clipboardPasteFrom(value.slice(0, TEXT_MAX));
  };
  useEffect(() => {
    const client = rfb.current;
    if (!connected || !client) return;
    const onText = (event: Event) => {
      const value = (event as CustomEvent<{ text: string }>).detail.text.slice(0, TEXT_MAX);
      if (value === last.current) return;
      last.current = value;
      setText(value);
      navigator.clipboard?.writeText(value).then(() => setDenied(false), () => setDenied(true));
    };
    const look = () => {
      if (!document.hasFocus() || !navigator.clipboard?.readText) return;
      navigator.clipboard.readText().then(
        (value) => {
          setDenied(false);
          if (value && value !== last.current) send(value);
        },
        () => setDenied(true),
      );
    };
    client.addEventListener("clipboard", onText);
    window.addEventListener("focus", look);
    look();
    return () => {
      client.removeEventListener("clipboard", onText);
      window.removeEventListener("focus", look);
    };
  }, [connected]);
  return { text, send, denied };
}

export function ClipboardPanel({ clip, close }: { clip: ReturnType<typeof useClipboard>; close: () => void }) {
  const [draft, setDraft] = useState(clip.text);
  useEffect(() => setDraft(clip.text), [clip.text]);
  return (
    <div className="pane-screen-panel" role="dialog" aria-label="Clipboard" onKeyDown={(e) => { if (e.key === "Escape") close(); e.stopPropagation(); }}>
      <label htmlFor="clip-text">Clipboard of the desktop</label>
      <TextArea id="clip-text" value={draft} onChange={(_, v) => setDraft(v)} rows={6} resizeOrientation="vertical" autoFocus />
      <p className="pane-quiet">
        {clip.denied
          ? "This browser does not let the page use its clipboard: copy from here, or paste here and send."
          : "Text you copy on either side is on the other when you get there."}
      </p>
      <p className="pane-above">
        <Button size="sm" onClick={() => { clip.send(draft); close(); }}>Send to the desktop</Button>{" "}
        <Button size="sm" variant="link" onClick={close}>Close</Button>
      </p>
    </div>
  );
}

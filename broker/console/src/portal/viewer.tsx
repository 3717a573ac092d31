// SPDX-License-Identifier: GPL-3.0-or-later
// A desktop in the page: noVNC over a WebSocket of the gateway. The ticket travels as a WebSocket subprotocol, so it
// is in no address and no log; it is good once.
import type RFB from "@novnc/novnc";
import { Button, Progress } from "@patternfly/react-core";
import { useEffect, useRef, useState } from "react";
import { navigate } from "../router";
import { Problem, say } from "../ui/common";
import { ClipboardPanel, useClipboard } from "./clipboard";
import { Connection, otherSession, ownDesktop, type Phase } from "./connection";
import { SoundControls, useSound } from "./sound";
import { setTitle } from "../ui/branding";

/** Keys that the browser or the system would keep for itself, where it lets a page in full screen have them. */
async function captureKeys() {
  const keyboard = (navigator as { keyboard?: { lock: () => Promise<void>; unlock: () => void } }).keyboard;
  if (!document.fullscreenElement) await document.documentElement.requestFullscreen();
  if (!keyboard) throw new Error("none");
  await keyboard.lock();
}

function releaseKeys() {
  (navigator as { keyboard?: { unlock: () => void } }).keyboard?.unlock();
}

function Waiting({ phase }: { phase: Phase & { kind: "asking" | "connecting" } }) {
  const title = phase.cut ? "The connection was cut. Connecting again" : phase.kind === "connecting" ? "Connecting" : (phase.wait?.message ?? "Asking for your desktop");
  const step = phase.cut && phase.wait ? phase.wait.message : undefined;
  return (
    <div role="status">
      <Progress title={title} aria-label={title} value={phase.kind === "connecting" ? 90 : (phase.wait?.percent ?? 0)} measureLocation={phase.wait?.percent ? undefined : "none"} />
      {step && <p>{step}</p>}
    </div>
  );
}

/** One's own desktop, or (shadow) somebody else's live session. */
export default function Viewer({ name, shadow }: { name: string; shadow?: { session: string; mode: "view" | "control" } }) {
  const session = shadow?.session;
  const mode = shadow?.mode;
  const view = useRef<HTMLDivElement>(null);
  const behind = useRef<HTMLDivElement>(null);
  const bar = useRef<HTMLDivElement>(null);
  const rfb = useRef<RFB>(undefined);
  const [phase, setPhase] = useState<Phase>({ kind: "asking" });
  const [attempt, setAttempt] = useState(0);
  const [panel, setPanel] = useState(false);
  const [full, setFull] = useState(false);
  const [captured, setCaptured] = useState(false);
  const [fits, setFits] = useState(true);
  const shown = phase.kind === "shown";
  const clip = useClipboard(rfb, shown);
  const { sound, state: heard } = useSound();

  useEffect(() => {
    if (!sound) return;
    setTitle(name);
    const connection = new Connection(session && mode ? otherSession(session, mode) : ownDesktop(name), view.current!, behind.current!, sound, (next, client) => {
      rfb.current = client;
      setPhase(next);
    });
    return () => connection.end();
  }, [name, session, mode, attempt, sound]);
  // Whole pixels only: noVNC would ask for the same size again and again, and wait for an answer that never comes.
  useEffect(() => {
    const box = view.current!;
    const room = box.parentElement!;
    const fit = () => {
      box.style.width = `${Math.floor(room.getBoundingClientRect().width)}px`;
      box.style.height = `${Math.floor(room.getBoundingClientRect().height)}px`;
    };
    const watch = new ResizeObserver(fit);
    watch.observe(room);
    fit();
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const follow = () => {
      setFull(!!document.fullscreenElement);
      if (!document.fullscreenElement) {
        releaseKeys();
        setCaptured(false);
      }
    };
    document.addEventListener("fullscreenchange", follow);
    return () => {
      document.removeEventListener("fullscreenchange", follow);
      releaseKeys();
    };
  }, []);

  // The way out of the desktop for who has no mouse: every other key is the desktop's.
  useEffect(() => {
    const out = (event: KeyboardEvent) => {
      if (!event.ctrlKey || !event.altKey || !event.shiftKey || !["Control", "Alt", "Shift"].includes(event.key)) return;
      rfb.current?.blur();
      bar.current?.querySelector("button")?.focus();
    };
    window.addEventListener("keydown", out, true);
    return () => window.removeEventListener("keydown", out, true);
  }, []);

  const leave = () => {
    if (document.fullscreenElement) void document.exitFullscreen();
    navigate(shadow ? "/sessions" : "/my");
  };
  const toggleFull = () => void (full ? document.exitFullscreen() : document.documentElement.requestFullscreen());
  const toggleKeys = () => {
    if (captured) {
      releaseKeys();
      setCaptured(false);
      return;
    }
    captureKeys().then(
      () => { setCaptured(true); rfb.current?.focus(); },
      () => say("This browser keeps its own keys for itself. Use the buttons here for those it does not pass on."),
    );
  };
  const toggleFits = () => {
    setFits(!fits);
    if (!rfb.current) return;
    rfb.current.resizeSession = !fits;
    rfb.current.scaleViewport = true;
  };
  const button = (text: string, onClick: () => void, pressed?: boolean) => (
    <Button size="sm" variant="secondary" isDisabled={!shown} onClick={onClick} aria-pressed={pressed}>{text}</Button>
  );
  return (
    <main className="pane-screen pf-v6-theme-dark">
      <h1 className="pf-v6-screen-reader">{name}</h1>
      <div className="pane-screen-bar" role="toolbar" aria-label="Desktop" ref={bar}>
        <span className="pane-screen-name">{name}</span>
        <Button size="sm" variant="secondary" onClick={leave}>Disconnect</Button>
        {button(full ? "Leave full screen" : "Full screen", toggleFull)}
        {mode !== "view" && button("Clipboard", () => setPanel(!panel), panel)}
        {mode !== "view" && button("Ctrl+Alt+Del", () => { rfb.current?.sendCtrlAltDel(); rfb.current?.focus(); })}
        {mode !== "view" && button("All keys", toggleKeys, captured)}
        {!shadow && button("Fit window", toggleFits, fits)}
        {sound && shown && <SoundControls sound={sound} state={heard} after={() => rfb.current?.focus()} />}
        <span className="pane-screen-hint">Ctrl+Alt+Shift: from the desktop to these buttons</span>
      </div>
      <div className="pane-screen-room">
        <div className="pane-screen-behind" ref={behind} aria-hidden="true" hidden={shown} />
        <div className="pane-screen-view" ref={view} data-phase={phase.kind} hidden={!shown && phase.kind !== "connecting"} />
        {panel && shown && <ClipboardPanel clip={clip} close={() => { setPanel(false); rfb.current?.focus(); }} />}
        {!shown && (
          <div className="pane-screen-note">
            <div>
              {phase.kind === "ended" ? (
                <>
                  {phase.error ? <Problem error={phase.error} title="You are not connected" /> : <p>The desktop ended the connection.</p>}
                  <p className="pane-above">
                    <Button onClick={() => setAttempt(attempt + 1)}>{shadow ? "Ask again" : "Connect again"}</Button>{" "}
                    <Button variant="secondary" onClick={leave}>{shadow ? "Sessions" : "My desktops"}</Button>
                  </p>
                </>
              ) : (
                <Waiting phase={phase} />
              )}
            </div>
          </div>
        )}
      </div>
    </main>
  );
}

// SPDX-License-Identifier: GPL-3.0-or-later
// A desktop in the page: noVNC over a WebSocket of the gateway. The ticket travels as a WebSocket subprotocol, so it
// is in no address and no log; it is good once. A lost connection is made anew with a new ticket.
import RFB from "@novnc/novnc";
import { Button, Progress } from "@patternfly/react-core";
import { useEffect, useRef, useState } from "react";
import { ApiError } from "../api/client";
import { navigate } from "../router";
import { asApiError, Problem } from "../ui/common";
import { getTicket, type Wait } from "./ticket";

type Phase = { kind: "asking"; wait?: Wait } | { kind: "connecting" | "shown" } | { kind: "ended"; error?: ApiError };

/** Codes of the gateway's close frames: docs/contracts.md "Desktops in a browser". */
function endOf(event: CloseEvent): ApiError | undefined {
  if (event.code === 1000 || event.code === 1005) return undefined;
  const id = /\(id (\w+)\)/.exec(event.reason)?.[1] ?? "";
  return new ApiError(0, `ws.${event.code}`, event.reason || "The connection to the desktop was lost.", [], id);
}

export default function Viewer({ name }: { name: string }) {
  const view = useRef<HTMLDivElement>(null);
  const rfb = useRef<RFB>(undefined);
  const [phase, setPhase] = useState<Phase>({ kind: "asking" });
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    document.title = `${name} · Pane`;
    const stop = new AbortController();
    let socket: WebSocket | undefined;
    const connect = async () => {
      setPhase({ kind: "asking" });
      const t = await getTicket(name, (wait) => setPhase({ kind: "asking", wait }), stop.signal);
      if (stop.signal.aborted) return;
      setPhase({ kind: "connecting" });
      socket = new WebSocket(`wss://${window.location.host}/rfb`, ["pane.rfb", t.ticket]);
      socket.addEventListener("close", (event) => {
        if (!stop.signal.aborted) setPhase({ kind: "ended", error: endOf(event) });
      });
      const client = new RFB(view.current!, socket, { shared: true });
      client.scaleViewport = true;
      client.resizeSession = true;
      client.background = "#151515";
      client.addEventListener("connect", () => {
        setPhase({ kind: "shown" });
        client.focus();
      });
      client.addEventListener("disconnect", () => {
        if (rfb.current === client) rfb.current = undefined;
      });
      rfb.current = client;
    };
    connect().catch((problem) => {
      if (!stop.signal.aborted) setPhase({ kind: "ended", error: asApiError(problem) });
    });
    return () => {
      stop.abort();
      rfb.current?.disconnect();
      rfb.current = undefined;
      if (socket && socket.readyState === WebSocket.CONNECTING) socket.close();
    };
  }, [name, attempt]);

  const leave = () => navigate("/my");
  const full = () => void (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
  return (
    <main className="pane-screen">
      <h1 className="pf-v6-screen-reader">{name}</h1>
      <div className="pane-screen-bar" role="toolbar" aria-label="Desktop">
        <span>{name}</span>
        <Button size="sm" variant="secondary" onClick={leave}>Disconnect</Button>
        <Button size="sm" variant="secondary" isDisabled={phase.kind !== "shown"} onClick={full}>Full screen</Button>
        <Button size="sm" variant="secondary" isDisabled={phase.kind !== "shown"} onClick={() => rfb.current?.sendCtrlAltDel()}>Ctrl+Alt+Del</Button>
      </div>
      <div className="pane-screen-view" ref={view} data-phase={phase.kind} />
      {phase.kind !== "shown" && (
        <div className="pane-screen-note">
          <div>
            {phase.kind === "asking" && <Progress aria-label="Starting" title={phase.wait?.message ?? "Asking for your desktop"} value={phase.wait?.percent ?? 0} />}
            {phase.kind === "connecting" && <Progress title="Connecting" aria-label="Connecting" value={90} measureLocation="none" />}
            {phase.kind === "ended" && (
              <>
                {phase.error ? <Problem error={phase.error} title="You are not connected" /> : <p>The desktop ended the connection.</p>}
                <p className="pane-above">
                  <Button onClick={() => setAttempt(attempt + 1)}>Connect again</Button>{" "}
                  <Button variant="secondary" onClick={leave}>My desktops</Button>
                </p>
              </>
            )}
          </div>
        </div>
      )}
    </main>
  );
}

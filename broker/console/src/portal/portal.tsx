// SPDX-License-Identifier: GPL-3.0-or-later
// What everybody sees: their desktops, and one button that connects.
import { Button, Card, CardBody, CardFooter, CardTitle, Flex, Gallery, Progress } from "@patternfly/react-core";
import { useEffect, useState } from "react";
import type { MyDesktops } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useItem } from "../api/live";
import { useConfirm } from "../ui/confirm";
import { navigate } from "../router";
import { Nothing, Page, Problem, say, Shown, State, useAction } from "../ui/common";
import { Support } from "../ui/brand";
import { Picture } from "../ui/pictures";
import { download } from "../ui/table";
import { getTicket, type Wait } from "./ticket";

type Mine = MyDesktops["items"][number];

function DesktopCard({ mine }: { mine: Mine }) {
  const name = mine.desktop ?? mine.pool;
  const action = useAction();
  const [dialog, ask] = useConfirm();
  const [wait, setWait] = useState<Wait>();
  const [stop] = useState(() => new AbortController());
  useEffect(() => () => stop.abort(), [stop]);
  const file = () =>
    action.run(async () => {
      const t = await getTicket(mine.pool, setWait, stop.signal);
      setWait(undefined);
      const lines = [
        `full address:s:${window.location.hostname}:${t.rdpPort}`,
        `loadbalanceinfo:s:${t.ticket}`,
        // xfreerdp3 asks for what is missing here, and the ticket is all that counts.
        "username:s:ticket",
        "password:s:ticket",
        "prompt for credentials:i:0",
        "enablecredsspsupport:i:0",
        "authentication level:i:2",
        "dynamic resolution:i:1",
      ];
      download(`${t.desktop}.rdp`, "application/x-rdp", lines.join("\r\n") + "\r\n");
      say(`${t.desktop}.rdp is good for one connection within ${t.expires_s} seconds: open it now`);
    });
  const restart = () =>
    ask({
      title: `Restart ${name}?`, button: "Restart", done: `${name} restarts`,
      text: <p>As if its power were cut: what is not saved is lost. Files stay.</p>,
      run: async () => { await api.post(`/me/desktops/${seg(name)}/restart`); refresh("desktop"); },
    });
  /** Asks for the desktop until it is ready, and tells each step. */
  const start = () => action.run(async () => { await getTicket(mine.pool, setWait, stop.signal); setWait(undefined); refresh("desktop"); }, `${name} is ready`);
  return (
    <Card isFullHeight>
      <CardTitle component="h2">{name}</CardTitle>
      <CardBody>
        {mine.desktop && <Picture of={mine.desktop} what={mine.machine === "ready" ? "No picture yet" : "Not running"} old={mine.machine !== "ready"} />}
        {name !== mine.pool && <p className="pane-quiet">from {mine.pool}</p>}
        <p>{mine.machine !== "none" && <State of={mine.machine} />} {mine.machine !== "ready" && mine.message}</p>
        {mine.session === "connected" && <p>In use; connecting here shows the same screen.</p>}
        {wait && action.busy && <div role="status"><Progress aria-label={wait.message} title={wait.message} value={wait.percent} size="sm" /></div>}
        {action.error && <Problem error={action.error} />}
      </CardBody>
      <CardFooter>
        <Flex>
          <Button onClick={() => navigate(`/connect/${encodeURIComponent(mine.pool)}`)}>Connect</Button>
          <Button variant="link" isInline isDisabled={action.busy} onClick={() => void file()}>Open in an RDP client</Button>
          {mine.desktop && ["ready", "failed", "booting"].includes(mine.machine) ? (
            <Button variant="link" isInline isDisabled={action.busy} onClick={restart}>Restart</Button>
          ) : ["none", "suspended"].includes(mine.machine) && (
            <Button variant="link" isInline isDisabled={action.busy} onClick={() => void start()}>Start</Button>
          )}
        </Flex>
      </CardFooter>
      {dialog}
    </Card>
  );
}

export function Portal() {
  const live = useItem<MyDesktops>("/me/desktops", ["desktop", "session", "user"]);
  return (
    <Page title="My desktops">
      <Shown live={live} what="your desktops">
        {({ items }) =>
          items.length ? (
            <Gallery hasGutter minWidths={{ default: "100%", md: "320px" }}>
              {items.map((mine) => <DesktopCard key={`${mine.pool} ${mine.desktop}`} mine={mine} />)}
            </Gallery>
          ) : (
            <Nothing title="There is no desktop for you yet">Ask your administrator to entitle you to a pool.</Nothing>
          )
        }
      </Shown>
      <Support />
    </Page>
  );
}

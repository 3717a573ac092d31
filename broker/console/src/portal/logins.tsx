// SPDX-License-Identifier: GPL-3.0-or-later
// Where one is logged in: every browser and program that holds a login of this person, and ending them.
import { Button, Label, Stack, StackItem } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import type { LoginEntry, LoginList } from "#schema";
import { api, seg } from "../api/client";
import { useItem } from "../api/live";
import { Page, Problem, Shown, useAction, When } from "../ui/common";
import { useConfirm } from "../ui/confirm";

/** What a client says it is, in few words; the whole of it is the title. */
export function agentName(agent: string) {
  const browser = /(Firefox|Edg|OPR|Chrome|Version)\/(\d+)/.exec(agent);
  const system = /(Windows|Mac OS X|Android|iPhone|iPad|Linux)/.exec(agent)?.[1];
  const name = browser && { Firefox: "Firefox", Edg: "Edge", OPR: "Opera", Chrome: "Chrome", Version: "Safari" }[browser[1]];
  if (name) return `${name} ${browser[2]}${system ? ` on ${system}` : ""}`;
  return agent.slice(0, 40) || "unknown";
}

export function LoginRows({ items, end }: { items: LoginEntry[]; end?: (x: LoginEntry) => void }) {
  return (
    <Table aria-label="Logins" variant="compact" gridBreakPoint="grid-md">
      <Thead><Tr><Th>From</Th><Th>With</Th><Th>Since</Th><Th>Last used</Th><Th>Ends by itself</Th>{end && <Th screenReaderText="Actions" />}</Tr></Thead>
      <Tbody>
        {items.map((x) => (
          <Tr key={x.id}>
            <Td dataLabel="From">{x.client.replace(/:\d+$/, "") || "unknown"}</Td>
            <Td dataLabel="With"><span title={x.agent}>{x.browser || x.agent ? agentName(x.agent) : "a program"}</span> {x.current && <Label isCompact color="green">this one</Label>}</Td>
            <Td dataLabel="Since"><When at={x.created_at} /></Td>
            <Td dataLabel="Last used"><When at={x.last_used_at} /></Td>
            <Td dataLabel="Ends by itself"><When at={x.expires_at} /></Td>
            {end && <Td isActionCell>{!x.current && <Button variant="link" isInline isDanger onClick={() => end(x)}>End</Button>}</Td>}
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

export function Logins({ leave }: { leave: (everywhere: boolean) => void }) {
  const live = useItem<LoginList>("/me/logins", ["user"]);
  const action = useAction();
  const [dialog, ask] = useConfirm();
  const end = (x: LoginEntry) => action.run(async () => { await api.remove(`/me/logins/${seg(x.id)}`); live.reload(); }, "That login is ended");
  const all = () =>
    ask({
      title: "Log out everywhere?", button: "Log out everywhere",
      text: <p>Every login of yours ends at once, this one too. Your desktops go on, and tokens for programs stay.</p>,
      run: async () => leave(true),
    });
  return (
    <Page title="Where I am logged in" lead="End what you do not know or no longer use." actions={<Button variant="danger" onClick={all}>Log out everywhere</Button>}>
      <Stack hasGutter>
        {action.error && <StackItem><Problem error={action.error} /></StackItem>}
        <StackItem>
          <Shown live={live} what="your logins">{({ items }) => <LoginRows items={items} end={(x) => void end(x)} />}</Shown>
        </StackItem>
      </Stack>
      {dialog}
    </Page>
  );
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Which certificates the gateways show, until when, and what to do about those that end: as the gateways tell it.
import { Alert, Button, Label, Stack, StackItem } from "@patternfly/react-core";
import { useEffect } from "react";
import type { Certificate, Gateway } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useList } from "../api/live";
import { Link } from "../router";
import { Age, State, When } from "../ui/common";
import { useConfirm } from "../ui/confirm";
import { may } from "../ui/may";
import { DataTable } from "../ui/table";

const AGAIN_MS = 60000; // a gateway that falls silent is no event

type Row = { gateway: Gateway; certificate: Certificate };

const USES = { clients: "people", hosts: "hosts", ca: "the site's own CA" };

function useGateways() {
  const live = useList<Gateway>("/gateways", ["site"]);
  const { reload } = live;
  useEffect(() => {
    const timer = window.setInterval(() => { if (!document.hidden) reload(); }, AGAIN_MS);
    return () => window.clearInterval(timer);
  }, [reload]);
  return live;
}

function rowsOf(gateways: Gateway[] | undefined): Row[] | undefined {
  return gateways?.flatMap((gateway) => gateway.certificates.map((certificate) => ({ gateway, certificate })));
}

/** What is left of it, in words. */
function Ends({ of }: { of: Certificate }) {
  const color = { good: "green", soon: "orange", bad: "red" } as const;
  const text = of.state === "bad" ? (of.days < 0 ? "has ended" : "not good yet") : of.days === 1 ? "1 day left" : `${of.days} days left`;
  return <><When at={of.not_after} /> <Label isCompact color={color[of.state]} className="pane-nowrap">{text}</Label></>;
}

/** One line for each certificate that ends soon or has ended: nothing while all are good. */
export function CertificateWarnings({ link }: { link?: boolean }) {
  const due = (rowsOf(useGateways().data) ?? []).filter((row) => row.certificate.state !== "good");
  if (!due.length) return null;
  return (
    <Alert component="h2" isInline variant={due.some((row) => row.certificate.state === "bad") ? "danger" : "warning"} title="A certificate needs to be renewed">
      <ul className="pane-reasons">
        {due.map(({ gateway, certificate }) => (
          <li key={`${gateway.name} ${certificate.use} ${certificate.file}`}>
            <strong>{gateway.name}</strong>, {certificate.file}: <Ends of={certificate} /> {certificate.next}
          </li>
        ))}
      </ul>
      {link && <p className="pane-above"><Link to="/settings?tab=tls">All certificates</Link></p>}
    </Alert>
  );
}

export function Tls() {
  const live = useGateways();
  const [dialog, ask] = useConfirm();
  const forget = (g: Gateway) =>
    ask({
      title: `Forget gateway ${g.name}?`, button: "Forget", done: `Gateway ${g.name} is forgotten`,
      text: <p>For a gateway that is gone. One that runs is back on the list within a minute.</p>,
      run: async () => { await api.remove(`/gateways/${seg(g.name)}`); refresh("site"); },
    });
  return (
    <Stack hasGutter>
      <CertificateWarnings />
      <StackItem>
        <p>Certificates are files on each gateway. To change one, put the new chain and key into the files that <code>cert</code> and <code>key</code> of <code>gateway.conf</code> name, then run <code>systemctl reload pane-gateway</code>: sessions go on, and the new certificate shows up here.</p>
      </StackItem>
      <StackItem>
        <DataTable<Row>
          name="Certificates"
          live={{ ...live, data: rowsOf(live.data) }}
          rowKey={(r) => `${r.gateway.name} ${r.certificate.use} ${r.certificate.file}`}
          columns={[
            { key: "gateway", title: "Gateway", value: (r) => r.gateway.name },
            { key: "state", title: "State", value: (r) => r.gateway.state, cell: (r) => <><State of={r.gateway.state} /> {r.gateway.state === "silent" && <span className="pane-quiet">for <Age at={r.gateway.since} seconds={r.gateway.seen_s} /></span>}</> },
            { key: "use", title: "Shown to", value: (r) => USES[r.certificate.use] },
            { key: "names", title: "Good for", value: (r) => r.certificate.names.join(" "), cell: (r) => <span className="pane-break">{r.certificate.names.join(", ") || r.certificate.subject}</span> },
            { key: "ends", title: "Ends", value: (r) => r.certificate.not_after, cell: (r) => <Ends of={r.certificate} /> },
            { key: "issuer", title: "Issued by", value: (r) => r.certificate.issuer, cell: (r) => <span className="pane-break">{r.certificate.issuer}</span> },
            { key: "key", title: "Key", value: (r) => r.certificate.key, cell: (r) => <span className="pane-nowrap">{r.certificate.key}</span> },
            { key: "file", title: "File", value: (r) => r.certificate.file, cell: (r) => <code className="pane-break">{r.certificate.file}</code> },
            { key: "fingerprint", title: "Fingerprint (SHA-256)", value: (r) => r.certificate.fingerprint, cell: (r) => <code className="pane-break">{r.certificate.fingerprint.replace(/(..)(?=.)/g, "$1:")}</code> },
          ]}
          choices={[
            { key: "use", title: "Shown to", value: (r) => USES[r.certificate.use] },
            { key: "gateway", title: "Gateway", value: (r) => r.gateway.name },
          ]}
          order="ends"
          rowActions={may("DELETE /gateways/{name}") ? (r) => r.gateway.state === "silent" && r.certificate.use === "ca" && <Button variant="link" isInline onClick={() => forget(r.gateway)}>Forget {r.gateway.name}</Button> : undefined}
          empty={{ title: "No gateway has told of itself yet", text: "A gateway does so when it starts and once a minute. One of an older release does not." }}
        />
      </StackItem>
      {dialog}
    </Stack>
  );
}

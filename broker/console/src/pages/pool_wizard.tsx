// SPDX-License-Identifier: GPL-3.0-or-later
// A pool in five steps. The last one shows what each host says to it; after the pool is made the server's own verdict
// (a desktop under way, or a refusal with a reason per host) is awaited and shown.
import { Alert, Button, Checkbox, Form, Progress, Stack, StackItem, Wizard, WizardStep } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useEffect, useState } from "react";
import type { Desktop, Host, Image, Pool, PoolCreate } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useItem, useList } from "../api/live";
import { Link, navigate, useQuery } from "../router";
import { Picture } from "../ui/pictures";
import { ChoiceField, NumberField, SelectField, TextField } from "../ui/fields";
import { Loading, mib, Nothing, Page, plural, Problem, Reasons, Shown, State, useAction } from "../ui/common";
import type { ServerPage } from "../ui/table";
import { Facts } from "./desktops";
import { word } from "../ui/words";

const NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;

type Draft = Required<Pick<PoolCreate, "name" | "image" | "image_tag" | "cpus" | "memory_mib" | "size_max" | "spare" | "assignment" | "isolation" | "home_mib" | "logoff_after_s">>;

/** Why a host cannot run a desktop of the draft, or null; what the broker decides by, as far as hosts tell it. */
function whyNot(h: Host, d: Draft): string | null {
  if (h.state !== "online") return `is ${word(h.state)}`;
  if (d.isolation === "vm" && !h.vm) return h.vm_why || "takes no virtual machines";
  if (d.isolation === "container" && !h.container) return h.container_why || "takes no containers";
  if (h.memory_free_mib < d.memory_mib) return `needs ${d.memory_mib} MiB, ${h.memory_free_mib} free`;
  return null;
}

function Capacity({ draft, hosts }: { draft: Draft; hosts: Host[] }) {
  if (!hosts.length)
    return <Alert component="h2" variant="warning" isInline title="There is no host: desktops are made once one is enrolled"><Link to="/hosts">Enrol a host</Link></Alert>;
  const rooms = hosts.map((h) => ({ h, no: whyNot(h, draft), room: Math.floor(h.memory_free_mib / Math.max(1, draft.memory_mib)) }));
  const total = rooms.reduce((sum, r) => sum + (r.no ? 0 : r.room), 0);
  return (
    <>
      {total < Math.max(1, draft.spare) && (
        <Alert component="h2" variant="warning" isInline title={total ? `Room for ${plural(total, "desktop")} now; ${draft.spare} are to be kept ready` : "No host has room for a desktop of this pool now"} />
      )}
      <Table aria-label="Capacity" variant="compact">
        <Thead><Tr><Th modifier="wrap">Host</Th><Th modifier="wrap">Memory free</Th><Th modifier="wrap">Room for</Th></Tr></Thead>
        <Tbody>
          {rooms.map(({ h, no, room }) => (
            <Tr key={h.name}>
              <Td dataLabel="Host">{h.name}</Td>
              <Td dataLabel="Memory free">{mib(h.memory_free_mib)} of {mib(h.memory_mib)}</Td>
              <Td dataLabel="Room for">{no ? `none: ${no}` : plural(room, "desktop")}</Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
    </>
  );
}

/** How far a new desktop is, as far as its states tell. */
const STEPS: Record<string, number> = { requested: 10, cloning: 35, booting: 70, ready: 100 };

/** The one desktop a pool was begun with: once it is ready, the rest follows on a person's word. */
function Trial({ pool, desktop, size, spare }: { pool: Pool; desktop: Desktop | undefined; size: number; spare: number }) {
  const action = useAction();
  const rest = () => action.run(async () => { await api.patch(`/pools/${seg(pool.name)}`, { size_max: size, spare }); refresh("pool"); }, `Pool ${pool.name} may have ${size} desktops now`);
  if (pool.size_max !== 1 || size <= 1) return null;
  const state = desktop?.state ?? "requested";
  return (
    <Stack hasGutter>
      {action.error && <Problem error={action.error} />}
      <Progress aria-label="The test desktop" title={`Test desktop: ${state}`} value={STEPS[state] ?? 0} variant={state === "failed" ? "danger" : state === "ready" ? "success" : undefined} />
      {state === "failed" && (
        <Alert component="h2" variant="danger" isInline title="The test desktop did not start">
          <p>{desktop?.reason}</p>
          <p>Nothing else was made. Change the pool, or delete it and begin again.</p>
        </Alert>
      )}
      {state === "ready" && (
        <Alert component="h2" variant="success" isInline title="The test desktop is ready: does its screen look right?">
          <p><Button isDisabled={action.busy} isLoading={action.busy} onClick={() => void rest()}>Go on with up to {size} desktops</Button></p>
        </Alert>
      )}
      {desktop && <div className="pane-trial"><Picture of={desktop.name} what={state === "ready" ? "No picture yet" : "Not running yet"} old={state !== "ready"} /></div>}
    </Stack>
  );
}

/** After creation: what the server does with it. size and spare are those that were asked for. */
function Verdict({ name, size, spare }: { name: string; size: number; spare: number }) {
  const pool = useItem<Pool>(`/pools/${seg(name)}`, ["pool", "desktop"]);
  const desktops = useItem<ServerPage<Desktop>>(`/desktops?sort=name&limit=50&pool=${seg(name)}`, ["desktop"]);
  const mine = desktops.data?.items ?? [];
  const p = pool.data;
  return (
    <Page title={`Pool ${name} is made`} actions={<><Button variant={p?.size_max === 1 && size > 1 ? "secondary" : "primary"} onClick={() => navigate(`/pools/${seg(name)}`)}>Open the pool</Button><Button variant="secondary" onClick={() => navigate("/new-employee")}>Give somebody a desktop</Button></>}>
      <Stack hasGutter>
        {pool.error && <Problem error={pool.error} retry={pool.reload} />}
        {p && <Trial pool={p} desktop={mine[0]} size={size} spare={spare} />}
        {p && p.blocked.length > 0 && (
          <Alert component="h2" variant="warning" isInline title="No desktop could be added">
            <Reasons reasons={p.blocked} />
            <p>This goes on by itself as soon as a host can take one.</p>
          </Alert>
        )}
        {p && p.spare === 0 && <Alert component="h2" variant="info" isInline title="It keeps no spare desktop: the first login of an entitled user makes one" />}
        {mine.map((d) => (
          <StackItem key={d.name}>
            <Link to={`/desktops/${seg(d.name)}`}>{d.name}</Link> <State of={d.state} /> {d.reason}
          </StackItem>
        ))}
        {p && !mine.length && !p.blocked.length && p.spare > 0 && <Loading what="the first desktop" />}
      </Stack>
    </Page>
  );
}

export function PoolWizard() {
  const images = useList<Image>("/images", ["image"]);
  const hosts = useList<Host>("/hosts", ["host"]);
  const pools = useList<Pool>("/pools", ["pool"]);
  const [made] = useQuery("made"), [size] = useQuery("size"), [spare] = useQuery("spare"); // stays over a reload
  if (made) return <Verdict name={made} size={Number(size) || 1} spare={Number(spare) || 0} />;
  return (
    <Page title="Create pool" crumb={["/pools", "Pools"]}>
      <Shown live={images} what="images">
        {(list) =>
          list.length ? (
            <Shown live={hosts} what="hosts">
              {(found) => <Steps images={list} hosts={found} taken={(pools.data ?? []).map((p) => p.name)} />}
            </Shown>
          ) : (
            <Nothing title="There is no image yet" action={<Link to="/images">To the images</Link>}>
              A pool makes its desktops from a golden image. Upload one with “pane image import”, or add one on a host with “pane-host image add”.
            </Nothing>
          )
        }
      </Shown>
    </Page>
  );
}

function Steps({ images, hosts, taken }: { images: Image[]; hosts: Host[]; taken: string[] }) {
  const containers = hosts.length > 0 && hosts.every((h) => !h.vm) && hosts.some((h) => h.container);
  const [d, setD] = useState<Draft>({
    name: "", image: images[0].name, image_tag: "stable", cpus: 2, memory_mib: 2048, size_max: 10, spare: 1,
    assignment: "dedicated", isolation: containers ? "container" : "vm", home_mib: 0, logoff_after_s: 3600,
  });
  const set = <K extends keyof Draft>(key: K) => (value: Draft[K]) => setD((old) => ({ ...old, [key]: value }));
  const [first, setFirst] = useState(true);
  const action = useAction();
  const tags = Object.keys((images.find((i) => i.name === d.image)?.tags as Record<string, string>) ?? {});
  const nameError = d.name && !NAME.test(d.name) ? "Small letters, digits and dashes; at most 40." : taken.includes(d.name) ? "There is a pool of this name." : undefined;
  const sizeOk = d.size_max >= 1 && d.size_max <= 10000 && d.spare >= 0 && d.spare <= d.size_max && d.cpus >= 1 && d.cpus <= 64 && d.memory_mib >= 64;
  const ok = NAME.test(d.name) && !nameError && sizeOk;
  const create = () =>
    action.run(async () => {
      const { logoff_after_s, ...rest } = d;
      await api.post("/pools", { ...rest, ...(d.assignment === "floating" ? { logoff_after_s } : {}), ...(first ? { size_max: 1, spare: 1 } : {}) });
      refresh("pool");
      navigate(`/pools/new?made=${seg(d.name)}&size=${d.size_max}&spare=${d.spare}`);
    });
  // PatternFly names the narrow screen's step list "Wizard toggle" over the text it shows; the text is the better name.
  useEffect(() => document.querySelector(".pf-v6-c-wizard__toggle")?.removeAttribute("aria-label"));
  const form = (children: React.ReactNode) => <Form onSubmit={(event) => event.preventDefault()}>{children}</Form>;
  return (
    <Wizard onClose={() => navigate("/pools")} onSave={() => void create()} navAriaLabel="Steps" isVisitRequired>
      <WizardStep id="what" name="Name and kind" footer={{ isNextDisabled: !NAME.test(d.name) || !!nameError }}>
        {form(
          <>
            <TextField label="Name" value={d.name} set={set("name")} error={nameError} help="Its desktops are called NAME-1, NAME-2 …" required autoFocus />
            <ChoiceField label="Who gets which desktop" value={d.assignment as "dedicated" | "floating"} set={set("assignment")} options={[
              { value: "dedicated", label: "Dedicated", text: "Everybody has a desktop of their own and always comes back to it." },
              { value: "floating", label: "Floating", text: "Everybody gets any free desktop; it is made new after the session." },
            ]} />
            <ChoiceField label="What separates desktops" value={d.isolation as "vm" | "container"} set={set("isolation")} options={[
              { value: "vm", label: "Virtual machine", text: "Strongest isolation, any guest system. Hosts need hardware virtualization." },
              { value: "container", label: "Container", text: "Ready in seconds on any host; shares the host's Linux kernel." },
            ]} />
          </>,
        )}
      </WizardStep>
      <WizardStep id="image" name="Image">
        {form(
          <>
            <SelectField label="Image" value={d.image} set={set("image")} options={images.map((i) => ({ value: i.name, label: i.name }))} />
            <SelectField label="Version" value={d.image_tag} set={set("image_tag")} options={(tags.length ? tags : ["stable"]).map((t) => ({ value: t, label: `what is tagged “${t}”` }))} help="The pool follows this tag: publishing a version moves it." />
          </>,
        )}
      </WizardStep>
      <WizardStep id="size" name="Size" footer={{ isNextDisabled: !sizeOk }}>
        {form(
          <>
            <NumberField label="Desktops at most" value={d.size_max} set={set("size_max")} min={1} max={10000} />
            <NumberField label="Kept ready" value={d.spare} set={set("spare")} min={0} max={Math.min(10000, d.size_max || 0)} help="Spare desktops that run and wait, so that a login takes no start." />
            <NumberField label="Processors" value={d.cpus} set={set("cpus")} min={1} max={64} />
            <NumberField label="Memory" unit="MiB" value={d.memory_mib} set={set("memory_mib")} min={64} max={1048576} />
          </>,
        )}
      </WizardStep>
      <WizardStep id="policy" name="Policy">
        {form(
          <>
            <NumberField label="Home disk" unit="MiB" value={d.home_mib} set={set("home_mib")} min={0} max={1048576} help="A disk of its own for each user's files, which outlives desktops. 0: none." />
            {d.assignment === "floating" && (
              <NumberField label="Let go after" unit="seconds" value={d.logoff_after_s} set={set("logoff_after_s")} min={0} max={31536000} help="So long after its viewer left, a desktop is taken back and made new. 0: never." />
            )}
          </>,
        )}
      </WizardStep>
      <WizardStep id="review" name="Review" footer={{ nextButtonText: "Create", isNextDisabled: !ok || action.busy }}>
        <Stack hasGutter>
          {action.error && <Problem error={action.error} title="The pool was not made" />}
          <Facts title={d.name || "Unnamed"} facts={[
            ["Kind", `${word(d.assignment)}, ${d.isolation === "vm" ? "virtual machines" : "containers"}`],
            ["Image", `${d.image}:${d.image_tag}`],
            ["Size", `at most ${plural(d.size_max, "desktop")}, ${d.spare} kept ready`],
            ["Each", `${plural(d.cpus, "processor")}, ${mib(d.memory_mib)}${d.home_mib ? `, home disk ${mib(d.home_mib)}` : ""}`],
          ]} />
          <Capacity draft={d} hosts={hosts} />
          <Checkbox id="first" label="Make one test desktop first" description="The pool begins with one desktop. When it is ready and looks right, you let it have the others." isChecked={first} onChange={(_, on) => setFirst(on)} />
        </Stack>
      </WizardStep>
    </Wizard>
  );
}

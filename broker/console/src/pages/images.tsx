// SPDX-License-Identifier: GPL-3.0-or-later
import { Alert, Button, Gallery, Progress, Split, SplitItem, Stack } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import type { Image, ImageDetails, ImageVersion } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useItem, useList } from "../api/live";
import { Link, navigate } from "../router";
import { mib, Nothing, Page, plural, Shown, State, When } from "../ui/common";
import { useConfirm } from "../ui/confirm";
import { DataTable } from "../ui/table";
import { Facts } from "./desktops";
import { may } from "../ui/may";

function tagsOf(i: Image) {
  return Object.entries((i.tags ?? {}) as Record<string, string>);
}

export function Images() {
  const live = useList<Image>("/images", ["image", "host"]);
  return (
    <Page title="Images" lead="Golden images: what desktops are made from." actions={may("POST /images") && <Button onClick={() => navigate("/upload")}>Upload an image</Button>}>
      <DataTable<Image>
        name="Images"
        live={live}
        rowKey={(i) => i.name}
        columns={[
          { key: "name", title: "Name", value: (i) => i.name, cell: (i) => <Link to={`/images/${encodeURIComponent(i.name)}`}>{i.name}</Link> },
          { key: "tags", title: "Tags", value: (i) => tagsOf(i).map((t) => t.join("=")).join(" "), cell: (i) => tagsOf(i).map(([tag, version]) => <div key={tag}>{tag}: {version}</div>) },
          { key: "versions", title: "Versions", value: (i) => i.versions },
          { key: "pools", title: "Pools", value: (i) => i.pools.join(" "), cell: (i) => i.pools.length ? i.pools.join(", ") : <span className="pane-quiet">none</span> },
          { key: "hosts", title: "On hosts", value: (i) => new Set(i.hosts.map((h) => h.host)).size },
        ]}
        empty={{ title: "No image yet", text: <>Upload a disk (raw, qcow2, vmdk, vdi, vhdx, OVA) here or with <code>pane image import FILE</code>, build one with <code>pane image build</code>, or add one on a host with <code>pane-host image add</code>.</>, action: may("POST /images") && <Button onClick={() => navigate("/upload")}>Upload the first image</Button> }}
      />
    </Page>
  );
}

export function ImagePage({ name }: { name: string }) {
  const path = `/images/${seg(name)}`;
  const live = useItem<ImageDetails>(path, ["image", "host"]);
  const [dialog, ask] = useConfirm();
  const publish = (v: ImageVersion) =>
    ask({
      title: `Publish ${v.version} of ${name}?`, button: "Publish as stable", done: `stable is ${v.version} now`,
      text: <p>The tag “stable” moves to this version. New desktops of the pools that follow it are made from it; those that exist stay as they are until their pool is updated.</p>,
      run: async () => { await api.post(`${path}/${seg(v.version)}/publish`, { tag: "stable" }); refresh("image", "pool"); },
    });
  const rollback = () =>
    ask({
      title: `Roll ${name} back?`, word: name, button: "Roll back", done: `stable of ${name} points where it did before`,
      text: <p>The tag “stable” moves back to the version it pointed at before. Desktops stay as they are until their pool is updated.</p>,
      run: async () => { await api.post(`${path}/rollback`, { tag: "stable" }); refresh("image", "pool"); },
    });
  const remove = (v: ImageVersion) =>
    ask({
      title: `Delete version ${v.version}?`, word: v.version, button: "Delete", done: `${v.version} is deleted`,
      text: <p>Its files are removed from the store and from the hosts.</p>,
      run: async () => { await api.remove(`${path}/${seg(v.version)}`); refresh("image"); },
    });
  return (
    <Page
      title={name}
      crumb={["/images", "Images"]}
      actions={live.data && may("DELETE /images/{name}") && (
        <>
          <Button variant="secondary" isDisabled={live.data.versions.length < 2} onClick={rollback}>Roll back</Button>
          <Button variant="danger" onClick={() => ask({
            title: `Delete image ${name}?`, word: name, button: "Delete", done: `${name} is deleted`,
            text: <p>All its versions are deleted. Refused while a pool uses it.</p>,
            run: async () => { await api.remove(path); refresh("image"); navigate("/images"); },
          })}>Delete image</Button>
        </>
      )}
    >
      <Shown live={live} what={name}>
        {(image) => (
          <Stack hasGutter>
            <Gallery hasGutter minWidths={{ default: "100%", md: "340px" }}>
              <Facts title="Used by" facts={image.pools.length ? image.pools.map((p) => [String(p.pool), <><Link to={`/pools/${encodeURIComponent(p.pool)}?tab=image`}>{p.pool}</Link> follows “{p.tag}”</>]) : [["Nobody", "no pool uses this image"]]} />
            </Gallery>
            {image.versions.length ? (
              <Table aria-label="Versions" variant="compact" gridBreakPoint="grid-lg">
                <Thead><Tr><Th>Version</Th><Th>State</Th><Th>Tags</Th><Th>Size</Th><Th>Hosts</Th><Th>Desktops</Th><Th>Made</Th><Th screenReaderText="Actions" /></Tr></Thead>
                <Tbody>
                  {image.versions.map((v) => <Version key={v.version} v={v} publish={publish} remove={remove} />)}
                </Tbody>
              </Table>
            ) : <Nothing title="No version" />}
          </Stack>
        )}
      </Shown>
      {dialog}
    </Page>
  );
}

function Version({ v, publish, remove }: { v: ImageVersion; publish: (v: ImageVersion) => void; remove: (v: ImageVersion) => void }) {
  const busy = v.state === "uploading" || v.state === "verifying" || v.state === "converting";
  const usable = v.state === "ready" || v.state === "published" || v.state === "retired";
  const wrong = v.hosts.filter((h) => h.state === "failed");
  return (
    <Tr>
      <Td dataLabel="Version"><code>{v.version}</code>{v.changelog && <div className="pane-quiet">{v.changelog}</div>}</Td>
      <Td dataLabel="State">
        <State of={v.state} /> {v.reason}
        {busy && <Progress aria-label={`${v.state} ${v.version}`} value={v.percent} size="sm" />}
      </Td>
      <Td dataLabel="Tags">{v.tags.join(", ")}</Td>
      <Td dataLabel="Size">{v.disk_mib ? mib(v.disk_mib) : ""}</Td>
      <Td dataLabel="Hosts">
        {v.hosts.map((h) => <div key={h.host} className="pane-nowrap">{h.host}{h.state === "pulling" ? ` ${h.percent} %` : h.online === false ? " (away)" : ""}</div>)}
        {wrong.length > 0 && <Alert component="h2" isPlain isInline variant="danger" title={wrong.map((h) => `${h.host}: ${h.reason}`).join("; ")} />}
      </Td>
      <Td dataLabel="Desktops">{plural(v.desktops, "desktop")}</Td>
      <Td dataLabel="Made"><When at={v.created_at} /> {v.created_by}</Td>
      <Td isActionCell>
        <Split hasGutter>
          <SplitItem><Button variant="link" isInline isDisabled={!may("POST /images/{name}/{version}/publish") || !usable || v.tags.includes("stable")} onClick={() => publish(v)}>Publish</Button></SplitItem>
          <SplitItem><Button variant="link" isInline isDanger isDisabled={!may("DELETE /images/{name}/{version}") || v.tags.length > 0 || v.desktops > 0} onClick={() => remove(v)}>Delete</Button></SplitItem>
        </Split>
      </Td>
    </Tr>
  );
}

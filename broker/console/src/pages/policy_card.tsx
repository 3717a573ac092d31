// SPDX-License-Identifier: GPL-3.0-or-later
// A card of a pool's policy: one subject that is saved by itself and sends only what was changed.
import { Button, Card, CardBody, CardTitle, Form, Split, SplitItem } from "@patternfly/react-core";
import { type ReactNode } from "react";
import type { Pool, PoolUpdate } from "#schema";
import { api, seg } from "../api/client";
import { refresh } from "../api/live";
import { Problem, useAction } from "../ui/common";
import { useDraft } from "../ui/draft";
import { may } from "../ui/may";

/** A number that cannot be sent, in a field or in one of its fields. */
const bad = (v: unknown): boolean => (typeof v === "number" ? !(Number.isInteger(v) && v >= 0) : !!v && typeof v === "object" && Object.values(v).some(bad));

export type Part = { value: Pool; set: (change: PoolUpdate) => void; off: boolean };

/** One subject with its own Save. What was not touched follows the server. */
export function PolicyCard({ title, pool, children }: { title: string; pool: Pool; children: (part: Part) => ReactNode }) {
  const { draft, set, saved, done, undo } = useDraft<PoolUpdate>(pool, {});
  const action = useAction();
  const off = !may("PATCH /pools/{name}");
  const changed = !saved && Object.entries(draft).some(([key, v]) => JSON.stringify(v) !== JSON.stringify(pool[key as keyof Pool]));
  const wrong = Object.values(draft).some(bad);
  const save = async () => {
    if (!changed || wrong) return;
    if (await action.run(() => api.patch(`/pools/${seg(pool.name)}`, draft), `${title} of ${pool.name}: saved`)) {
      done();
      refresh("pool");
    }
  };
  return (
    <Card>
      <CardTitle component="h2">{title}</CardTitle>
      <CardBody>
        <Form onSubmit={(event) => { event.preventDefault(); void save(); }}>
          {action.error && <Problem error={action.error} />}
          {children({ value: { ...pool, ...draft } as Pool, set: (change) => set({ ...draft, ...change }), off })}
          {!off && (
            <Split hasGutter>
              <SplitItem><Button type="submit" variant="secondary" aria-label={`Save: ${title}`} isDisabled={!changed || wrong || action.busy}>Save</Button></SplitItem>
              {changed && <SplitItem><Button variant="link" aria-label={`Undo: ${title}`} onClick={() => { undo(); action.clear(); }}>Undo</Button></SplitItem>}
            </Split>
          )}
        </Form>
      </CardBody>
    </Card>
  );
}

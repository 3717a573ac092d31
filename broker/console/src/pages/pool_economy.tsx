// SPDX-License-Identifier: GPL-3.0-or-later
// What a pool's desktops take of their host: how far its memory is promised, how theirs is made, and what disk and
// network give each of them in a second.
import { Gallery } from "@patternfly/react-core";
import type { Pool, PoolLimit, PoolLimits } from "#schema";
import { NumberField, SelectField } from "../ui/fields";
import { PolicyCard } from "./policy_card";

const MB = 1_000_000;
type Of = "disk" | "net";

/** The limits with one figure of them changed. */
function limited(limits: PoolLimits, of: Of, change: PoolLimit): PoolLimits {
  return { ...limits, [of]: { ...limits[of], ...change } };
}

export function Economy({ pool }: { pool: Pool }) {
  const vm = pool.isolation === "vm";
  return (
    <PolicyCard title="Memory and rates" pool={pool}>
      {({ value: p, set, off }) => {
        const memory = p.memory ?? {};
        const limits = p.limits ?? {};
        const rate = (of: Of, label: string) => (
          <NumberField label={label} unit="MB a second" value={(limits[of]?.bytes_per_s ?? 0) / MB} set={(n) => set({ limits: limited(limits, of, { bytes_per_s: Math.round(n * MB) }) })} min={0} max={1_000_000} off={off} help="0 is as much as there is." />
        );
        const ops = (of: Of, label: string, unit: string) => (
          <NumberField label={label} unit={unit} value={limits[of]?.ops_per_s ?? 0} set={(ops_per_s) => set({ limits: limited(limits, of, { ops_per_s }) })} min={0} max={1_000_000_000} off={off} help="0 is as many as there are." />
        );
        return (
          <>
            <Gallery hasGutter minWidths={{ default: "100%", md: "280px" }}>
              <NumberField label="Memory of a host that may be promised" unit="percent" value={p.overcommit ?? 100} set={(overcommit) => set({ overcommit })} min={100} max={1000} off={off} help="Above 100 counts on idle desktops: when memory runs short, their host takes back what they do not use, and gives it again to who connects." />
              {vm && (
                <SelectField
                  label="Equal pages of desktops" value={memory.merge ? "merge" : "apart"} set={(v) => set({ memory: { ...memory, merge: v === "merge" } })} off={off}
                  options={[{ value: "apart", label: "are kept apart" }, { value: "merge", label: "are kept once (KSM)" }]}
                  help="Kept once, a desktop of this pool can find out what another has in memory, and the host spends time looking: only where all its users may trust each other. From the next start of a desktop on."
                />
              )}
              {vm && (
                <SelectField
                  label="Pages of memory" value={memory.huge ? "huge" : "small"} set={(v) => set({ memory: { ...memory, huge: v === "huge" } })} off={off}
                  options={[{ value: "small", label: "are small ones" }, { value: "huge", label: "are huge ones, where there are any" }]}
                  help="Huge ones are faster, and less of them is shared. From the next start of a desktop on."
                />
              )}
            </Gallery>
            <p>What each desktop gets at most. {vm ? "It holds at once, also for those that run." : "It holds from the next start of a desktop on."}</p>
            <Gallery hasGutter minWidths={{ default: "100%", md: "280px" }}>
              {rate("disk", "Disk")}
              {ops("disk", "Disk requests", "a second")}
              {vm && rate("net", "Network")}
              {vm && ops("net", "Network packets", "a second")}
            </Gallery>
          </>
        );
      }}
    </PolicyCard>
  );
}

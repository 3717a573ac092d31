// SPDX-License-Identifier: GPL-3.0-or-later
// The menu of a row: only its button until it is opened for the first time, as a menu that waits costs more than the rest
// of its row.
import { Dropdown, DropdownItem, DropdownList, MenuToggle } from "@patternfly/react-core";
import { EllipsisVIcon } from "@patternfly/react-icons";
import { useEffect, useRef, useState } from "react";

type Item = { title: string; isDisabled?: boolean; onClick: () => void };

export function Kebab({ of, items }: { of: string; items: () => Item[] }) {
  const [open, setOpen] = useState<boolean>(); // undefined: not yet
  const label = `Actions on ${of}`;
  // Once the click is over, which would shut what it opens; and open only once it is there, which is when it finds its place.
  if (open === undefined) return <MenuToggle variant="plain" aria-label={label} aria-haspopup="menu" icon={<EllipsisVIcon />} onClick={() => window.setTimeout(() => setOpen(false))} />;
  return <Menu label={label} items={items()} open={open} setOpen={setOpen} />;
}

function Menu({ label, items, open, setOpen }: { label: string; items: Item[]; open: boolean; setOpen: (open: boolean) => void }) {
  const button = useRef<HTMLElement | null>(null);
  useEffect(() => {
    button.current?.focus(); // it was on the button whose place this one takes
    setOpen(true);
  }, []);
  return (
    <Dropdown
      isOpen={open} onOpenChange={setOpen} onSelect={() => setOpen(false)} popperProps={{ position: "end", appendTo: () => document.getElementById("main") ?? document.body /* no part of what scrolls sideways */ }}
      toggle={(ref: { current: unknown }) => (
        <MenuToggle
          variant="plain" aria-label={label} aria-haspopup="menu" icon={<EllipsisVIcon />} isExpanded={open} onClick={() => setOpen(!open)}
          ref={(e) => { button.current = ref.current = e; }}
        />
      )}
    >
      <DropdownList>
        {items.map(({ title, isDisabled, onClick }) => <DropdownItem key={title} isDisabled={isDisabled} onClick={onClick}>{title}</DropdownItem>)}
      </DropdownList>
    </Dropdown>
  );
}

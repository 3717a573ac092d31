// SPDX-License-Identifier: GPL-3.0-or-later
// Form fields with their explanation and their error in words, tied to the input for screen readers.
import { FormGroup, FormHelperText, FormSelect, FormSelectOption, HelperText, HelperTextItem, Radio, TextArea, TextInput } from "@patternfly/react-core";
import { useId, useState, type ReactNode } from "react";
import { t } from "./text";

function Help({ id, help, error }: { id: string; help?: ReactNode; error?: string }) {
  if (!help && !error) return null;
  return (
    <FormHelperText>
      <HelperText id={id}>
        <HelperTextItem variant={error ? "error" : "default"}>{error ?? help}</HelperTextItem>
      </HelperText>
    </FormHelperText>
  );
}

export function TextField({ label, value, set, help, error, required, type = "text", autoFocus, code, off }: {
  label: string;
  value: string;
  set: (value: string) => void;
  help?: ReactNode;
  error?: string;
  required?: boolean;
  type?: "text" | "password";
  autoFocus?: boolean;
  /** of a second factor: what devices offer to fill in */
  code?: boolean;
  off?: boolean;
}) {
  const id = useId();
  return (
    <FormGroup label={label} fieldId={id} isRequired={required}>
      <TextInput id={id} type={type} value={value} onChange={(_, v) => set(v)} validated={error ? "error" : "default"} aria-describedby={`${id}-help`} isRequired={required} autoComplete={code ? "one-time-code" : type === "password" ? "new-password" : "off"} autoFocus={autoFocus} isDisabled={off} />
      <Help id={`${id}-help`} help={help} error={error} />
    </FormGroup>
  );
}

export function NumberField({ label, value, set, min, max, unit, help, off }: {
  label: string;
  value: number;
  set: (value: number) => void;
  min: number;
  max: number;
  unit?: string;
  help?: ReactNode;
  /** cannot be changed by who is here */
  off?: boolean;
}) {
  const id = useId();
  const wrong = !Number.isInteger(value) || value < min || value > max;
  return (
    <FormGroup label={unit ? `${label} (${unit})` : label} fieldId={id} isRequired>
      <TextInput id={id} type="number" min={min} max={max} isDisabled={off} value={Number.isNaN(value) ? "" : value} onChange={(_, v) => set(v === "" ? NaN : Number(v))} validated={wrong ? "error" : "default"} aria-describedby={`${id}-help`} />
      <Help id={`${id}-help`} help={help} error={wrong ? `A whole number from ${min} to ${max}.` : undefined} />
    </FormGroup>
  );
}

export function SelectField({ label, value, set, options, help, off }: {
  label: string;
  value: string;
  set: (value: string) => void;
  options: { value: string; label: string }[];
  help?: ReactNode;
  off?: boolean;
}) {
  const id = useId();
  return (
    <FormGroup label={label} fieldId={id} isRequired>
      <FormSelect id={id} value={value} onChange={(_, v) => set(v)} aria-describedby={`${id}-help`} isDisabled={off}>
        {options.map((o) => <FormSelectOption key={o.value} value={o.value} label={o.label} />)}
      </FormSelect>
      <Help id={`${id}-help`} help={help} />
    </FormGroup>
  );
}

export function ChoiceField<V extends string>({ label, value, set, options }: {
  label: string;
  value: V;
  set: (value: V) => void;
  options: { value: V; label: string; text: string }[];
}) {
  const id = useId();
  return (
    <FormGroup label={label} role="radiogroup" fieldId={id} isRequired>
      {options.map((o) => (
        <Radio key={o.value} id={`${id}-${o.value}`} name={id} label={o.label} description={o.text} isChecked={value === o.value} onChange={() => set(o.value)} />
      ))}
    </FormGroup>
  );
}

const UNITS = [[t("seconds"), 1], [t("minutes"), 60], [t("hours"), 3600], [t("days"), 86400]] as const;

/** The largest unit that says it in whole numbers. */
function unitOf(seconds: number) {
  return seconds ? [...UNITS].reverse().find(([, s]) => seconds % s === 0)! : UNITS[1];
}

/** A time in seconds, shown in the unit that suits it; 0 is never. */
export function TimeField({ label, value, set, help, off, zero = "0 is never." }: {
  label: string;
  value: number;
  set: (seconds: number) => void;
  help?: ReactNode;
  off?: boolean;
  zero?: string;
}) {
  const id = useId();
  const [unit, setUnit] = useState<number>(() => unitOf(value)[1]);
  const shown = Number.isInteger(value / unit) ? unit : unitOf(value)[1];
  const wrong = !Number.isInteger(value) || value < 0;
  return (
    <FormGroup label={label} fieldId={id} isRequired>
      <div className="pane-time">
        <TextInput id={id} type="number" min={0} isDisabled={off} value={Number.isNaN(value) ? "" : value / shown} onChange={(_, v) => set(v === "" ? NaN : Math.round(Number(v) * shown))} validated={wrong ? "error" : "default"} aria-describedby={`${id}-help`} />
        <FormSelect aria-label={`Unit of ${label}`} isDisabled={off} value={String(shown)} onChange={(_, v) => { setUnit(Number(v)); set((value / shown) * Number(v)); }}>
          {UNITS.map(([name, s]) => <FormSelectOption key={name} value={String(s)} label={name} />)}
        </FormSelect>
      </div>
      <Help id={`${id}-help`} help={help ?? zero} error={wrong ? "A whole number, or 0." : undefined} />
    </FormGroup>
  );
}

/** One thing a line, kept as they are typed; told as the list of those that are not empty. */
export function LinesField({ label, value, set, help, off }: { label: string; value: string[]; set: (lines: string[]) => void; help?: ReactNode; off?: boolean }) {
  const id = useId();
  const [text, setText] = useState<string>();
  const lines = (all: string) => all.split("\n").map((line) => line.trim()).filter(Boolean);
  const shown = text !== undefined && lines(text).join("\n") === value.join("\n") ? text : value.join("\n");
  return (
    <FormGroup label={label} fieldId={id}>
      <TextArea id={id} value={shown} disabled={off} rows={Math.max(2, value.length + 1)} resizeOrientation="vertical" onChange={(_, v) => { setText(v); set(lines(v)); }} aria-describedby={`${id}-help`} />
      <Help id={`${id}-help`} help={help} />
    </FormGroup>
  );
}

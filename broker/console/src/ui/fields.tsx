// SPDX-License-Identifier: GPL-3.0-or-later
// Form fields with their explanation and their error in words, tied to the input for screen readers.
import { FormGroup, FormHelperText, FormSelect, FormSelectOption, HelperText, HelperTextItem, Radio, TextInput } from "@patternfly/react-core";
import { useId, type ReactNode } from "react";

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

export function TextField({ label, value, set, help, error, required, type = "text", autoFocus, code }: {
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
}) {
  const id = useId();
  return (
    <FormGroup label={label} fieldId={id} isRequired={required}>
      <TextInput id={id} type={type} value={value} onChange={(_, v) => set(v)} validated={error ? "error" : "default"} aria-describedby={`${id}-help`} isRequired={required} autoComplete={code ? "one-time-code" : type === "password" ? "new-password" : "off"} autoFocus={autoFocus} />
      <Help id={`${id}-help`} help={help} error={error} />
    </FormGroup>
  );
}

export function NumberField({ label, value, set, min, max, unit, help }: {
  label: string;
  value: number;
  set: (value: number) => void;
  min: number;
  max: number;
  unit?: string;
  help?: ReactNode;
}) {
  const id = useId();
  const wrong = !Number.isInteger(value) || value < min || value > max;
  return (
    <FormGroup label={unit ? `${label} (${unit})` : label} fieldId={id} isRequired>
      <TextInput id={id} type="number" min={min} max={max} value={Number.isNaN(value) ? "" : value} onChange={(_, v) => set(v === "" ? NaN : Number(v))} validated={wrong ? "error" : "default"} aria-describedby={`${id}-help`} />
      <Help id={`${id}-help`} help={help} error={wrong ? `A whole number from ${min} to ${max}.` : undefined} />
    </FormGroup>
  );
}

export function SelectField({ label, value, set, options, help }: {
  label: string;
  value: string;
  set: (value: string) => void;
  options: { value: string; label: string }[];
  help?: ReactNode;
}) {
  const id = useId();
  return (
    <FormGroup label={label} fieldId={id} isRequired>
      <FormSelect id={id} value={value} onChange={(_, v) => set(v)} aria-describedby={`${id}-help`}>
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

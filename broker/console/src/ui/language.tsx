// SPDX-License-Identifier: GPL-3.0-or-later
// Choosing a language, each by its own name: in the menu of who is logged in, and where nobody is yet.
import { DropdownItem, FormSelect, FormSelectOption } from "@patternfly/react-core";
import { language, LANGUAGES, setLanguage, type Language } from "./text";

const ALL = Object.entries(LANGUAGES) as [Language, string][];

/** A function and no component: a menu looks at its own children. */
export function LanguageItems() {
  return ALL.map(([tag, own]) => (
    <DropdownItem key={tag} isSelected={language() === tag} lang={tag} onClick={() => setLanguage(tag)}>{own}</DropdownItem>
  ));
}

export function LanguageSelect() {
  return (
    <div className="pane-language">
      <FormSelect aria-label="Language" value={language()} onChange={(_, tag) => setLanguage(tag as Language)}>
        {ALL.map(([tag, own]) => <FormSelectOption key={tag} value={tag} label={own} lang={tag} />)}
      </FormSelect>
    </div>
  );
}

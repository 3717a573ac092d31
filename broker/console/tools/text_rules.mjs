// SPDX-License-Identifier: GPL-3.0-or-later
// Where the English of the pages stands: what tools/text.mjs takes for a message, and what it leaves alone. A new
// property or component whose text people read is a word in one of these lists.

/** Attributes and properties whose strings people read. */
export const TEXT_NAMES = new Set([
  "aria-label", "aria-description", "alt", "browseButtonText", "button", "cell", "clickTip", "description", "done", "empty", "facts", "filenamePlaceholder",
  "header", "help", "hoverTip", "label", "lead", "message", "navAriaLabel", "nextButtonText", "none", "note", "paginationAriaLabel", "placeholder",
  "screenReaderText", "text", "textAriaLabel", "title", "titleText", "unit", "what", "wrong", "zero",
]);

/** Attributes and properties whose strings are for programs. */
export const CODE_NAMES = new Set([
  "accept", "action", "aria-controls", "aria-describedby", "aria-labelledby", "autoComplete", "className", "color", "component", "crossOrigin", "d", "direction", "fieldId", "form", "href",
  "htmlFor", "id", "itemId", "key", "kind", "kinds", "labelId", "level", "of", "order", "path", "position", "rel", "role", "rowKey", "size", "src", "style", "tag", "target",
  "titleId", "to", "type", "value", "variant", "viewBox", "width", "word", "cache", "method", "headers", "credentials", "dateStyle", "timeStyle",
]);

/** Calls, and which of their arguments people read. */
export const TEXT_CALLS = { say: [0], run: [1], ApiError: [2], t: [0], change: [1], join: [0], rate: [1], ops: [1, 2] };

/**
 * Strings that look like English and are none: header fields, calls of the API, lines of an RDP file,
 * names, commands, colours, schedules.
 */
export const NOT_TEXT = [/^(GET|POST|PUT|PATCH|DELETE|HEAD) \//, /^[\w ]+:[bis]:/, /^Content-Type$/, /^(Firefox|Edge|Opera|Chrome|Safari)$/, /^stable$/, /^daily \u0001$/, /^(green|blue|orange|red|grey|teal|purple)$/, /^pane(-\w+)? /];

/**
 * What PatternFly says of its own accord, by file: each of these strings is looked for there and has to be found, so
 * that a newer PatternFly that says it elsewhere ends the build and not the translation.
 */
export const LIBRARY = {
  "react-core/dist/esm/components/Alert/Alert.js": ["`${capitalize(variant)} alert:`"],
  "react-core/dist/esm/components/Alert/AlertActionCloseButton.js": ["`Close ${variantLabel || alertVariantLabel} alert: ${title}`"],
  "react-core/dist/esm/components/Breadcrumb/Breadcrumb.js": ["'Breadcrumb'"],
  "react-core/dist/esm/components/ClipboardCopy/ClipboardCopy.js": ["'Copy to clipboard'", "'Successfully copied to clipboard!'"],
  "react-core/dist/esm/components/FileUpload/FileUploadField.js": ["'Clear'", "'File upload'"],
  "react-core/dist/esm/components/Modal/ModalBoxCloseButton.js": ["'Close'"],
  "react-core/dist/esm/components/Modal/ModalBoxTitle.js": ["`${capitalize(titleIconVariant)} alert:`"],
  "react-core/dist/esm/components/Pagination/Pagination.js": [
    "'Items per page'", "'per page'", "'Go to first page'", "'Go to previous page'", "'Go to last page'", "'Go to next page'", "'Current page'", "'of'",
  ],
  "react-core/dist/esm/components/Pagination/PaginationNavigation.js": [
    "'Go to first page'", "'Go to previous page'", "'Go to last page'", "'Go to next page'", "'Current page'", "'of'",
  ],
  "react-core/dist/esm/components/Pagination/PaginationOptionsMenu.js": ["'of'"],
  "react-core/dist/esm/components/Pagination/ToggleTemplate.js": ["'of'"],
  "react-core/dist/esm/components/SearchInput/SearchInput.js": ["'Reset'"],
  "react-core/dist/esm/components/Tabs/Tabs.js": ["'Scroll back'", "'Scroll forward'"],
  "react-core/dist/esm/components/Wizard/WizardFooter.js": ["'Next'", "'Back'", "'Cancel'"],
  "react-table/dist/esm/components/Table/ActionsColumn.js": ['"Kebab toggle"'],
  "react-table/dist/esm/components/Table/utils/decorators/selectable.js": ["`Select row ${rowIndex}`", "'Select all rows'"],
};

// SPDX-License-Identifier: GPL-3.0-or-later
// Finds what people read in the pages, which are plain TypeScript with English in them, and turns it into messages:
//   <p>{n} of {plural(m, "desktop")} <b>ready</b></p>
//   <p>{$r("{1} of {2, plural, one {# desktop} other {# desktops}} <1>ready</1>", [n, m], [(c) => <b>{c}</b>])}</p>
// A sentence stays one message whatever stands in it. What counts as text is told in text_rules.mjs and in reads().
import ts from "typescript";
import { CODE_NAMES, LIBRARY, NOT_TEXT, TEXT_CALLS, TEXT_NAMES } from "./text_rules.mjs";

const VALUE = "\u0001"; // stands for a value where the look of a text is judged
const PASSED_ON = new Set(["map", "flatMap", "filter", "join", "concat", "slice", "reverse", "trim", "replace"]);
const TRANSPARENT = [
  ts.SyntaxKind.ParenthesizedExpression, ts.SyntaxKind.ArrayLiteralExpression, ts.SyntaxKind.AsExpression, ts.SyntaxKind.SatisfiesExpression,
  ts.SyntaxKind.NonNullExpression, ts.SyntaxKind.SpreadElement, ts.SyntaxKind.TemplateSpan, ts.SyntaxKind.TemplateExpression,
];
const PASSES = { "??": "both", "||": "both", "&&": "right", "+": "both" };

const hasLetters = (text) => /\p{L}/u.test(text.replaceAll(VALUE, ""));
const isNot = (text) => NOT_TEXT.some((pattern) => pattern.test(text)) || /^[/#?.]/.test(text);

/** Reads as English where nothing else says what it is: a sentence, or a word with a capital. */
function reads(text) {
  return /\p{L}{2,}[,;:.]? \p{L}/u.test(text) || /\u0001[,;:]? \p{L}/u.test(text) || /\p{L}:? \u0001/u.test(text) || /^\p{Lu}\p{Ll}+$/u.test(text) || /^\d+ \p{L}{2,}/u.test(text) || / \p{L}+\.$/u.test(text);
}

// ---- what a literal is for ----

/** "text", "code", or "unknown": then its look decides. */
function purpose(node) {
  for (let at = node; ; ) {
    const up = at.parent;
    if (ts.isJsxExpression(up)) {
      if (!ts.isJsxAttribute(up.parent)) return "text";
      at = up;
    } else if (ts.isJsxAttribute(up)) return named(up.name.getText());
    else if (ts.isPropertyAssignment(up)) {
      if (up.initializer !== at) return "code";
      return named(up.name.text ?? "");
    } else if (ts.isConditionalExpression(up)) {
      if (up.condition === at) return "code";
      at = up;
    } else if (ts.isBinaryExpression(up)) {
      const passes = PASSES[up.operatorToken.getText()];
      if (up.operatorToken.kind === ts.SyntaxKind.EqualsToken && up.right === at) return "unknown";
      if (!passes || (passes === "right" && up.right !== at)) return "code";
      at = up;
    } else if (ts.isArrowFunction(up)) {
      if (up.body !== at) return "unknown"; // what a parameter is without a value
      at = up;
    } else if (ts.isCallExpression(up) || ts.isNewExpression(up)) {
      const callee = ts.isPropertyAccessExpression(up.expression) ? up.expression.name.text : up.expression.getText();
      if (up.expression === at) { at = up; continue; }
      const index = (up.arguments ?? []).indexOf(at);
      if (callee in TEXT_CALLS) return TEXT_CALLS[callee].includes(index) ? "text" : "code";
      if (!ts.isArrowFunction(at) || !PASSED_ON.has(callee)) return "code";
      at = up;
    } else if (ts.isPropertyAccessExpression(up)) {
      if (!PASSED_ON.has(up.name.text) || !ts.isCallExpression(up.parent)) return "code";
      if (/^(flatM|m)ap$/.test(up.name.text)) return "unknown"; // goes into it; what comes out is another thing
      at = up;
    } else if (ts.isVariableDeclaration(up) || ts.isReturnStatement(up) || ts.isParameter(up) || ts.isBindingElement(up)) return up.name === at ? "code" : "unknown";
    else if (TRANSPARENT.includes(up.kind)) at = up;
    else return "code";
  }
}

function named(name) {
  if (TEXT_NAMES.has(name)) return "text";
  return CODE_NAMES.has(name) || name.startsWith("data-") ? "code" : "unknown";
}

function isText(node, looks) {
  if (!hasLetters(looks) || isNot(looks)) return false;
  const what = purpose(node);
  return what === "text" || (what === "unknown" && reads(looks));
}

// ---- messages ----

const escaped = (text) => text.replace(/[\\{}]|<(?=\/?\d)/g, "\\$&");

/** A message while it is put together. */
class Message {
  text = "";
  values = [];
  elements = [];
  value(source) {
    const known = this.values.indexOf(source);
    return known >= 0 && /^[\w.$]+$/.test(source) ? known + 1 : this.values.push(source);
  }
}

/** JSX drops line ends and what indents lines. */
function jsxText(raw) {
  if (/&\w+;/.test(raw)) throw new Error(`write the character itself instead of an entity: ${raw.trim()}`);
  const lines = raw.split(/\r?\n/);
  return lines.map((line, i) => {
    let out = line.replaceAll("\t", " ");
    if (i > 0) out = out.replace(/^ +/, "");
    if (i < lines.length - 1) out = out.replace(/ +$/, "");
    return out;
  }).filter(Boolean).join(" ");
}

export class Translator {
  messages = []; // {message, file, values} in the order of the source
  used = new Set();

  /** where: a name for this file; special(message): whether a language says it otherwise there. */
  constructor(source, path, where, special = () => false) {
    this.file = ts.createSourceFile(path, source, ts.ScriptTarget.ES2022, true, path.endsWith("x") ? ts.ScriptKind.TSX : ts.ScriptKind.TS);
    this.source = source;
    this.where = where;
    this.special = special;
  }

  /** The file with its messages as calls; imports: where the runtime is, seen from it. */
  code(runtime) {
    const body = this.render(this.file);
    if (!this.used.size) return undefined;
    return `import { ${[...this.used].map((n) => `${n} as $${n[0]}`).join(", ")} } from ${JSON.stringify(runtime)};\n${body}`;
  }

  /** The source of a node, with messages in it replaced; without what stands before its first token. */
  inner(node) {
    return this.render(node).slice(node.getStart(this.file) - node.pos);
  }

  render(node) {
    const lead = this.source.slice(node.pos, node.getStart(this.file, false));
    const made = this.replaced(node);
    if (made !== undefined) return lead + made;
    let out = "", at = node.pos;
    ts.forEachChild(node, (child) => {
      out += this.source.slice(at, child.pos) + this.render(child);
      at = child.end;
    });
    return out + this.source.slice(at, node.end);
  }

  replaced(node) {
    if (ts.isStringLiteral(node) && ts.isJsxAttribute(node.parent)) return isText(node, node.text) ? `{${this.text(node)}}` : undefined;
    if (ts.isStringLiteralLike(node)) return isText(node, node.text) ? this.text(node) : undefined;
    if (ts.isTemplateExpression(node)) {
      const looks = node.head.text + node.templateSpans.map((s) => VALUE + s.literal.text).join("");
      return isText(node, looks) ? this.text(node) : undefined;
    }
    if (ts.isCallExpression(node) && node.expression.getText() === "t" && node.arguments.length === 1) return this.text(node.arguments[0]);
    if (pluralCall(node)) return this.text(node);
    if ((ts.isJsxElement(node) || ts.isJsxFragment(node)) && node.children.some((c) => ts.isJsxText(c) && hasLetters(c.text))) {
      const open = ts.isJsxElement(node) ? this.inner(node.openingElement) : "<>";
      return open + this.children(node) + (ts.isJsxElement(node) ? node.closingElement.getText() : "</>");
    }
    return undefined;
  }

  emit(call, message, more) {
    const trimmed = message.text.trim();
    this.messages.push({ message: trimmed, file: this.where, values: message.values });
    const where = this.special(`${trimmed} [${this.where}]`) ? JSON.stringify(this.where) : "";
    const [before, after] = [message.text.slice(0, message.text.indexOf(trimmed)), message.text.slice(message.text.indexOf(trimmed) + trimmed.length)];
    this.used.add(call);
    const args = [JSON.stringify(trimmed), ...more, where].filter((x, i) => i === 0 || x !== "");
    if (where && call === "t" && !more[0]) args.splice(1, 0, "[]");
    return { before, after, call: `$${call[0]}(${args.join(", ")})` };
  }

  /** A literal as text. */
  text(node) {
    const message = new Message();
    this.add(message, node);
    const { before, after, call } = this.emit("t", message, [message.values.length ? `[${message.values.join(", ")}]` : ""]);
    const parts = [before && JSON.stringify(before), call, after && JSON.stringify(after)].filter(Boolean);
    return parts.length > 1 ? `(${parts.join(" + ")})` : call;
  }

  /** What stands between an element's tags. Pictures at its ends are no part of the sentence. */
  children(node) {
    const kids = [...node.children];
    const picture = (k) => (ts.isJsxSelfClosingElement(k) && k.tagName.getText() === "img") || (ts.isJsxText(k) && !jsxText(k.text).trim());
    let first = 0, last = kids.length;
    while (picture(kids[first])) first++;
    while (picture(kids[last - 1])) last--;
    const message = new Message();
    for (const kid of kids.slice(first, last)) this.addChild(message, kid);
    const { before, after, call } = this.emit("rich", message, [`[${message.values.join(", ")}]`, `[${message.elements.join(", ")}]`]);
    const space = (s) => (s ? `{${JSON.stringify(s)}}` : "");
    return kids.slice(0, first).map((k) => this.render(k)).join("") + space(before) + `{${call}}` + space(after) + kids.slice(last).map((k) => this.render(k)).join("");
  }

  addChild(message, kid) {
    if (ts.isJsxText(kid)) message.text += escaped(jsxText(kid.text));
    else if (ts.isJsxExpression(kid)) {
      if (kid.expression) this.add(message, kid.expression);
    } else if (ts.isJsxElement(kid) && kid.children.length) {
      const n = message.elements.push("") ;
      message.elements[n - 1] = `($c) => ${this.inner(kid.openingElement)}{$c}${kid.closingElement.getText()}`;
      message.text += `<${n}>`;
      for (const inside of kid.children) this.addChild(message, inside);
      message.text += `</${n}>`;
    } else message.text += `{${message.value(this.inner(kid))}}`;
  }

  /** An expression as a part of a message. */
  add(message, node) {
    if (ts.isStringLiteralLike(node)) message.text += escaped(node.text);
    else if (ts.isTemplateExpression(node)) {
      message.text += escaped(node.head.text);
      for (const span of node.templateSpans) {
        this.add(message, span.expression);
        message.text += escaped(span.literal.text);
      }
    } else {
      const plural = pluralCall(node) ?? pluralChoice(node);
      if (plural) message.text += `{${message.value(this.inner(plural.n))}, plural, one {${escaped(plural.one)}} other {${escaped(plural.many)}}}`;
      else message.text += `{${message.value(this.inner(node))}}`;
    }
  }
}

/** plural(n, "desktop") or plural(n, "box", "boxes") */
function pluralCall(node) {
  if (!ts.isCallExpression(node) || node.expression.getText() !== "plural") return undefined;
  const [n, one, many] = node.arguments;
  if (!one || !ts.isStringLiteralLike(one) || (many && !ts.isStringLiteralLike(many))) throw new Error(`plural() takes its words as they are: ${node.getText()}`);
  return { n, one: `# ${one.text}`, many: `# ${many ? many.text : `${one.text}s`}` };
}

/** n === 1 ? "moves" : "move" */
function pluralChoice(node) {
  if (ts.isParenthesizedExpression(node)) return pluralChoice(node.expression);
  if (!ts.isConditionalExpression(node) || !ts.isStringLiteralLike(node.whenTrue) || !ts.isStringLiteralLike(node.whenFalse)) return undefined;
  const test = node.condition;
  if (!ts.isBinaryExpression(test) || test.operatorToken.kind !== ts.SyntaxKind.EqualsEqualsEqualsToken || test.right.getText() !== "1") return undefined;
  return { n: test.left, one: node.whenTrue.text, many: node.whenFalse.text };
}

// ---- PatternFly's own words ----

const LIBRARY_NAME = "patternfly";

/** The messages of a file of PatternFly, and its code with calls for them; undefined where there are none. */
export function library(path, source, runtime) {
  const [name, wanted] = Object.entries(LIBRARY).find(([end]) => path.endsWith(`@patternfly/${end}`)) ?? [];
  if (!name) return undefined;
  const messages = [];
  let code = source.replace(/\.displayName = .*/g, "");
  for (const literal of wanted) {
    if (!code.includes(literal)) throw new Error(`tools/text_rules.mjs: ${name} does not say ${literal} any more`);
    const values = [];
    const message = literal.slice(1, -1).replace(/\$\{([^}]*)\}/g, (_, value) => `{${values.push(value)}}`);
    messages.push({ message, file: LIBRARY_NAME, values });
    code = code.replaceAll(literal, `$t(${JSON.stringify(message)}, [${values.join(", ")}])`);
  }
  return { messages, code: `import { t as $t } from ${JSON.stringify(runtime)};\n${code}` };
}

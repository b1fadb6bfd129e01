import {
  createCssVariablesTheme,
  createHighlighterCore,
  type GrammarState,
  type LanguageRegistration,
} from "shiki/core";
import { createJavaScriptRegexEngine } from "shiki/engine/javascript";

/** A piece of code; `kind` names its colour in the style sheet and is empty for plain text. */
export type Token = { readonly text: string; readonly kind: string; readonly offset: number };

/** Each language is loaded when a reply has it. */
const languages: Readonly<Record<string, () => Promise<{ default: LanguageRegistration[] }>>> = {
  bash: () => import("shiki/langs/bash.mjs"),
  c: () => import("shiki/langs/c.mjs"),
  cpp: () => import("shiki/langs/cpp.mjs"),
  csharp: () => import("shiki/langs/csharp.mjs"),
  css: () => import("shiki/langs/css.mjs"),
  diff: () => import("shiki/langs/diff.mjs"),
  docker: () => import("shiki/langs/docker.mjs"),
  go: () => import("shiki/langs/go.mjs"),
  graphql: () => import("shiki/langs/graphql.mjs"),
  html: () => import("shiki/langs/html.mjs"),
  java: () => import("shiki/langs/java.mjs"),
  javascript: () => import("shiki/langs/javascript.mjs"),
  json: () => import("shiki/langs/json.mjs"),
  jsx: () => import("shiki/langs/jsx.mjs"),
  kotlin: () => import("shiki/langs/kotlin.mjs"),
  lua: () => import("shiki/langs/lua.mjs"),
  make: () => import("shiki/langs/make.mjs"),
  markdown: () => import("shiki/langs/markdown.mjs"),
  nginx: () => import("shiki/langs/nginx.mjs"),
  php: () => import("shiki/langs/php.mjs"),
  powershell: () => import("shiki/langs/powershell.mjs"),
  proto: () => import("shiki/langs/proto.mjs"),
  python: () => import("shiki/langs/python.mjs"),
  r: () => import("shiki/langs/r.mjs"),
  ruby: () => import("shiki/langs/ruby.mjs"),
  rust: () => import("shiki/langs/rust.mjs"),
  scala: () => import("shiki/langs/scala.mjs"),
  sql: () => import("shiki/langs/sql.mjs"),
  swift: () => import("shiki/langs/swift.mjs"),
  toml: () => import("shiki/langs/toml.mjs"),
  tsx: () => import("shiki/langs/tsx.mjs"),
  typescript: () => import("shiki/langs/typescript.mjs"),
  xml: () => import("shiki/langs/xml.mjs"),
  yaml: () => import("shiki/langs/yaml.mjs"),
};

/** What people write behind the fence. */
const aliases: Readonly<Record<string, string>> = {
  "c#": "csharp",
  "c++": "cpp",
  cs: "csharp",
  console: "bash",
  dockerfile: "docker",
  golang: "go",
  gql: "graphql",
  js: "javascript",
  jsonc: "json",
  kt: "kotlin",
  makefile: "make",
  md: "markdown",
  mjs: "javascript",
  patch: "diff",
  ps1: "powershell",
  protobuf: "proto",
  py: "python",
  rb: "ruby",
  rs: "rust",
  sh: "bash",
  shell: "bash",
  svg: "xml",
  ts: "typescript",
  yml: "yaml",
  zsh: "bash",
};

/** Colours are names of custom properties, which become classes: no style attribute, and one theme for all. */
const theme = createCssVariablesTheme({ name: "chatwire", variablePrefix: "--token-" });

const shiki = createHighlighterCore({
  themes: [theme],
  langs: [],
  engine: createJavaScriptRegexEngine({ forgiving: true }),
});

/**
 * Longer lines stay plain. A line that takes longer than the time, milliseconds, is coloured to where it came;
 * the first one of a language also has to prepare its expressions, which a busy machine needs seconds for.
 */
const bounds = { tokenizeMaxLineLength: 2_000, tokenizeTimeLimit: 4_000 };

const loaded = new Map<string, Promise<void>>();

/** Two loads of one language at once would colour with half of it. */
function loadOnce(lang: string): Promise<void> {
  const known = loaded.get(lang);
  if (known !== undefined) return known;
  const load = async () => {
    const grammar = await languages[lang]?.();
    if (grammar !== undefined) await (await shiki).loadLanguage(grammar);
  };
  const loading = load();
  loaded.set(lang, loading);
  return loading;
}

/** So many lines are coloured at a time; between them the page may do something else. */
const linesAtOnce = 50;

/**
 * Cuts code into coloured pieces, a part at a time, so that the page stays usable meanwhile. Undefined for a
 * language that is not known, and once `signal` aborts.
 */
export async function highlight(
  code: string,
  named: string,
  signal: AbortSignal,
): Promise<Token[] | undefined> {
  const name = named.toLowerCase();
  const lang = aliases[name] ?? name;
  if (!Object.hasOwn(languages, lang)) return undefined;
  const highlighter = await shiki;
  await loadOnce(lang);
  const options = { lang, theme: "chatwire", ...bounds } as const;
  const lines = code.split("\n");
  const tokens: Token[] = [];
  let grammarState: GrammarState | undefined;
  let begin = 0;
  for (let first = 0; first < lines.length; first += linesAtOnce) {
    if (first > 0) await nextTask();
    if (signal.aborted) return undefined;
    const part = lines.slice(first, first + linesAtOnce).join("\n");
    const coloured = highlighter.codeToTokensBase(part, {
      ...options,
      ...(grammarState !== undefined && { grammarState }),
    });
    grammarState = highlighter.getLastGrammarState(coloured);
    for (const [index, line] of coloured.entries()) {
      const number = first + index;
      if (number > 0) tokens.push({ text: "\n", kind: "", offset: -number });
      for (const { content, color, offset } of line) {
        tokens.push({ text: content, kind: kindOf(color), offset: begin + offset });
      }
    }
    begin += part.length + 1;
  }
  return tokens;
}

/** Lets the browser do what waits: it paints, and answers keys. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** `var(--token-token-keyword)` is a keyword; the foreground has no name. */
function kindOf(color: string | undefined): string {
  return /^var\(--token-token-([a-z-]+)\)$/.exec(color ?? "")?.[1] ?? "";
}

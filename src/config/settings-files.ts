import { RATE_LIMIT_RULES } from '../modules.ts';
import type { Setting, SettingsSection } from '../platform/setting-declaration.ts';
import type { Parser } from '../platform/settings.ts';
import { SettingsReader } from '../platform/settings-reader.ts';

type Declared = Setting<unknown>;
/** Settings by the heading of docs/configuration.md. */
type Topics = ReadonlyMap<string, readonly Declared[]>;

/**
 * The files that repeat the declarations, each with a function that returns its correct text. `npm run settings`
 * writes them.
 */
export const SETTINGS_FILES: Readonly<
  Record<string, (sections: readonly SettingsSection[], current: string) => string>
> = {
  '.env.example': (sections) => envExample(topicsOf(sections)),
  'docs/configuration.md': (sections, current) => withRateLimits(withTables(topicsOf(sections), current)),
  'docker-compose.yml': (sections, current) => withPassedOn(topicsOf(sections), current),
};

function topicsOf(sections: readonly SettingsSection[]): Topics {
  const topics = new Map<string, Declared[]>();
  for (const { title, settings } of sections) topics.set(title, [...(topics.get(title) ?? []), ...settings]);
  return topics;
}

/** The texts that a setting takes, in Markdown. */
function valuesOf({ parse, parseInProduction }: Declared): string {
  const accepts = parse.accepts ?? '';
  const inProduction = parseInProduction?.accepts ?? accepts;
  return inProduction === accepts ? accepts : `${accepts}; in production ${inProduction}`;
}

/** As the environment has it. */
function textOf(value: unknown, { print }: Parser<unknown>): string {
  if (value === undefined) return '';
  if (print) return print(value);
  return typeof value === 'object' && !Array.isArray(value) ? '' : String(value);
}

const REQUIRED = 'Required in production.';

/* .env.example */

const HEAD = `# Settings of Gatehouse. Copy to .env (read outside production), or name the file with --env-file.
# Every line is commented out with its default; an empty value counts as unset. docs/configuration.md says more.
# A secret may stand in a file instead, such as /run/secrets/token_key, which TOKEN_KEY_FILE then names.
# "npm run settings" writes this file from the declarations in src.
`;
/** Characters of a line. */
const WIDTH = 110;

function envExample(topics: Topics): string {
  const defaults = new SettingsReader({}, []);
  const parts = [...topics].map(([title, settings]) => {
    const lines = settings.map(
      (setting) =>
        `${comment(summaryOf(setting))}# ${setting.name}=${textOf(defaults.of(setting), setting.parse)}\n`,
    );
    return `\n# --- ${title}\n\n${lines.join('\n')}`;
  });
  return HEAD + parts.join('');
}

function summaryOf(setting: Declared): string {
  const values = valuesOf(setting);
  const [meaning = ''] = setting.description.split(/\.(?= [A-Z\x60]|$)/);
  const sentences = [
    `${setting.secret ? '(secret) ' : ''}${meaning}.`,
    ...(values === '' ? [] : [`Values: ${values}.`]),
    ...(setting.whenUnset === undefined ? [] : [`Unset: ${setting.whenUnset}.`]),
    ...(setting.requiredInProduction === undefined ? [] : [REQUIRED]),
  ];
  return plain(sentences.join(' '));
}

/** Markdown without its marks. */
const plain = (markdown: string): string =>
  markdown
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll('`', '')
    .replace(/(?<!\w)_([^_]+)_(?!\w)/g, '$1');

function comment(text: string): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = `${lines.at(-1)} ${word}`;
    if (line.length < WIDTH) lines[lines.length - 1] = line;
    else lines.push(` ${word}`);
  }
  return lines.map((line) => `#${line}\n`).join('');
}

/* docs/configuration.md */

const TABLES = /(<!-- settings: ([^\n]*) -->\n).*?(<!-- end of settings -->)/gs;

/** @throws {Error} when a topic has no table, or a table no topic. */
function withTables(topics: Topics, document: string): string {
  const left = new Set(topics.keys());
  const written = document.replace(TABLES, (_, start: string, title: string, end: string) => {
    left.delete(title);
    return `${start}\n${table(topics.get(title) ?? missing(`the settings of "${title}"`))}\n${end}`;
  });
  for (const title of left) missing(`a table "<!-- settings: ${title} -->" in docs/configuration.md`);
  return written;
}

/** The rules for RATE_LIMIT_RULES, in the order of the modules. */
const withRateLimits = (document: string): string =>
  document.replace(
    /(<!-- rate limits -->\n).*?(<!-- end of rate limits -->)/s,
    (_, start: string, end: string) => `${start}\n${rateLimitTable()}\n${end}`,
  );

const rateLimitTable = (): string =>
  tableOf(
    ['rule', 'default', 'counted for'],
    Object.entries(RATE_LIMIT_RULES).map(([name, { burst, perSeconds, counts }]) => [
      `\`${name}\``,
      `${burst}/${perSeconds}`,
      counts,
    ]),
  );

const table = (settings: readonly Declared[]): string =>
  tableOf(
    ['name', 'default', 'values', 'meaning'],
    settings.map((setting) => [
      `\`${setting.name}\`${setting.secret ? ' (secret)' : ''}`,
      defaultOf(setting),
      valuesOf(setting),
      `${setting.description}${setting.requiredInProduction === undefined ? '' : ` ${REQUIRED}`}`,
    ]),
  );

function tableOf(head: readonly string[], body: ReadonlyArray<readonly string[]>): string {
  const rows = [head, ...body];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[], filler = ' ') =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0, filler)).join(' | ')} |\n`;
  return [
    line(head),
    line(
      head.map(() => ''),
      '-',
    ),
    ...body.map((row) => line(row)),
  ].join('');
}

/** In Markdown. */
function defaultOf(setting: Declared): string {
  if (setting.defaultFrom) return setting.defaultFrom.text;
  const text = textOf(setting.default, setting.parse);
  return text === '' ? (setting.whenUnset ?? 'none') : `\`${text}\``;
}

/* docker-compose.yml */

const PASSED_ON = /(\n {2}# Written by "npm run settings":[^\n]*\n).*?( {2}# End of what it wrote\.\n)/s;

function withPassedOn(topics: Topics, document: string): string {
  if (!PASSED_ON.test(document)) missing('the marks of "npm run settings" in docker-compose.yml');
  const lines = [...topics.values()].flat().flatMap(({ name, passedOn = true, requiredInProduction }) => {
    const otherwise = requiredInProduction === undefined ? ':-' : `:?${requiredInProduction}`;
    return passedOn ? [`  ${name}: \${${name}${otherwise}}\n`] : [];
  });
  return document.replace(PASSED_ON, (_, start: string, end: string) => start + lines.join('') + end);
}

function missing(what: string): never {
  throw new Error(`there is no place for the settings: add ${what}`);
}

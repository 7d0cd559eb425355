import { nearest } from '../platform/edit-distance.ts';
import type { Setting, SettingRules } from '../platform/setting-declaration.ts';
import type { Environment } from '../platform/settings.ts';

/** Minimum length of an unknown name that can stop the start. */
const LONG = 8;
/**
 * Maximum number of edits between a misspelt name and the setting. Two edits make PORT out of ROOT, IMPORT and other
 * words that mean something else.
 */
const MAX_EDITS = { long: 2, short: 1 };

/**
 * Names that shells, Node, npm, containers and platforms set: never a misspelt setting, whatever they look like.
 * docs/configuration.md lists them. A `*` stands for any rest.
 */
const OF_OTHERS = [
  ...['CI', 'EDITOR', 'HOME', 'HOSTNAME', 'HOSTTYPE', 'LANG', 'LOGNAME', 'MAIL', 'OLDPWD', 'PAGER', 'PATH'],
  ...['PWD', 'SHELL', 'SHLVL', 'TEMP', 'TERM', 'TMP', 'TMPDIR', 'TZ', 'USER', 'LC_*', 'SSH_*', 'XDG_*'],
  ...['npm_*', 'NODE_APP_INSTANCE', 'NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS', 'NODE_PATH', 'NODE_VERSION'],
  ...['COMPOSE_*', 'DOCKER_*', 'KUBERNETES_*', 'AWS_*', 'AZURE_*', 'CI_*', 'DYNO', 'FLY_*', 'GITHUB_*'],
  ...['GOOGLE_APPLICATION_CREDENTIALS', 'GOOGLE_CLOUD_*', 'HEROKU_*', 'PG*', 'POSTGRES_*', 'RAILWAY_*'],
  ...['RENDER_*', 'WEBSITE_*'],
];

const isOfOthers = (name: string): boolean =>
  OF_OTHERS.some((other) => (other.endsWith('*') ? name.startsWith(other.slice(0, -1)) : name === other));

/**
 * Reports names that resemble a setting. Otherwise the setting that was meant would silently keep its default. In
 * production, a long name that is one or two edits away from a setting stops the start. Any other name that begins as
 * settings do causes a warning.
 */
export function checkNames(
  { production, problem, warning }: SettingRules,
  environment: Environment,
  settings: ReadonlyArray<Setting<unknown>>,
): void {
  const known = new Set(settings.flatMap(({ name, secret }) => (secret ? [name, `${name}_FILE`] : [name])));
  const prefixes = sharedPrefixes(settings);
  for (const [name, value] of Object.entries(environment)) {
    if (!value || known.has(name) || isOfOthers(name)) continue;
    const isLong = name.length >= LONG;
    const upper = name.toUpperCase();
    const wanted = inFile(upper, known);
    const meant = nearest(upper, known, isLong ? MAX_EDITS.long : MAX_EDITS.short) ?? wanted;
    if (meant === undefined) {
      const prefix = prefixOf(upper);
      const text = `${name} is not a setting, although settings begin with ${prefix}: see docs/configuration.md.`;
      if (prefixes.has(prefix)) warning(text);
      continue;
    }
    const advice =
      meant === wanted ? `only secrets are read from files. Set ${meant} itself.` : `did you mean ${meant}?`;
    const text = `${name} is not a setting: ${advice}`;
    // NODE_EVN=production would otherwise run the parts of development in production.
    const isStrict = production || (meant === 'NODE_ENV' && value === 'production');
    if (isStrict && isLong) problem(text);
    else warning(text);
  }
}

/**
 * The setting NAME for the name NAME_FILE. Only secrets are read from files, so the name is a mistake when NAME is
 * not a secret.
 */
function inFile(name: string, known: ReadonlySet<string>): string | undefined {
  const setting = name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : '';
  return known.has(setting) ? setting : undefined;
}

/** The first word with its underscore: `PASSWORD_` of `PASSWORD_HASH`. */
const prefixOf = (name: string): string => name.slice(0, name.indexOf('_') + 1);

/** The packages behind these settings read further names that begin in the same way, such as `OTEL_EXPORTER_OTLP_HEADERS`. */
const PREFIXES_OF_OTHERS = ['OTEL_', 'SENTRY_'];

/**
 * First words that two settings or more share. A first word of one setting is often that of another program's
 * variable, such as `SMTP_PASSWORD`.
 */
function sharedPrefixes(settings: ReadonlyArray<Setting<unknown>>): ReadonlySet<string> {
  const prefixes = settings.map(({ name }) => prefixOf(name));
  const own = prefixes.filter((prefix) => prefix !== '' && !PREFIXES_OF_OTHERS.includes(prefix));
  return new Set(own.filter((prefix, index) => own.indexOf(prefix) < index));
}

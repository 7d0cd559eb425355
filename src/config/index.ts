import { MODULES, type Modules, RATE_LIMIT_RULES } from '../modules.ts';
import { unknownRules } from '../platform/rate-limit/rules.ts';
import type { ConfigOf } from '../platform/setting-declaration.ts';
import type { Environment } from '../platform/settings.ts';
import { SettingsReader } from '../platform/settings-reader.ts';
import { checkNames } from './misspelt-names.ts';

type Section = Extract<Modules[number], { settings: unknown }>['settings'][number];

/**
 * The values of the settings that the modules declare, by topic. Times are in the unit that the name ends with.
 * `settings.ts` of each folder says what each one means.
 */
export type Config = ConfigOf<Section> & {
  /** Probable mistakes, in sentences for the operator. */
  readonly warnings: readonly string[];
};

export { SETTINGS_FILES } from './settings-files.ts';

/** The settings by topic, in the order of the modules. */
export const SECTIONS = MODULES.flatMap(({ settings = [] }) => settings);

/**
 * Reads the settings of docs/configuration.md.
 * @param warnings about the settings, from before they were read
 * @throws {InvalidSettings} with all problems together, never with a value.
 */
export function loadConfig(environment: Environment, warnings: readonly string[] = []): Config {
  const read = new SettingsReader(environment, warnings);
  const topics: Record<string, unknown> = { warnings: read.warnings };
  for (const section of SECTIONS) {
    for (const [topic, values] of Object.entries(section.read(read))) {
      topics[topic] = topic in topics ? Object.assign({}, topics[topic], values) : values;
    }
  }
  // The loop puts the sections together in the same way as the type does.
  const config = topics as unknown as Config;

  const wrong = unknownRules(config.rateLimit.overrides, Object.keys(RATE_LIMIT_RULES));
  if (wrong !== undefined) read.problem(`RATE_LIMIT_RULES ${wrong}`);
  checkNames(
    read,
    environment,
    SECTIONS.flatMap(({ settings }) => settings),
  );
  read.finish();
  return deepFreeze(config);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Buffer.isBuffer(value)) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}

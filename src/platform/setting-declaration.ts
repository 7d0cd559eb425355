import type { Parser } from './settings.ts';

/** The values of settings, for a default or a rule that depends on them. */
export interface SettingValues {
  /** Whether NODE_ENV is `production`. */
  readonly production: boolean;
  of<T>(setting: Setting<T>): T;
  /** Whether the operator gave it a value, in the environment or in a file. */
  isSet(setting: Setting<unknown>): boolean;
}

/** A default that depends on other settings. */
export interface ComputedDefault<T> {
  /** For docs/configuration.md, in Markdown: "half of `MAX_CONNECTIONS`". */
  readonly text: string;
  readonly value: (values: SettingValues) => T;
}

/** The options of every setting. */
interface SettingOptions<T> {
  readonly parse: Parser<T>;
  /** Stricter than `parse`, and takes its place in production. */
  readonly parseInProduction?: Parser<T>;
  /**
   * Meaning and unit, in Markdown; links are relative to `docs`. The first sentence stands alone in `.env.example`. The
   * bounds come from the parser.
   */
  readonly description: string;
  /** A secret may stand in a file that `NAME_FILE` names (Docker and Kubernetes secrets). */
  readonly secret?: true;
  /** Production does not start without it. The text tells what to set, without quotes or braces: Compose prints it. */
  readonly requiredInProduction?: string;
  /** The behaviour without a value, or with an empty list, in Markdown; "none" when it is left out. */
  readonly whenUnset?: string;
  /** False for a setting that docker-compose.yml or the image sets; the others are passed on to the container. */
  readonly passedOn?: false;
}

/** A setting that always has a value. */
type WithDefault<T> = SettingOptions<T> &
  ({ readonly default: NoInfer<T> } | { readonly defaultFrom: ComputedDefault<NoInfer<T>> });

/** One setting: everything that is known about it. `T` is the type of its value. */
export interface Setting<T> extends SettingOptions<T> {
  readonly name: string;
  readonly default?: T;
  readonly defaultFrom?: ComputedDefault<T>;
}

/** Declares a setting. The parser decides the type of its value. */
export function setting<T>(name: string, options: WithDefault<T>): Setting<T>;
export function setting<T>(name: string, options: SettingOptions<T>): Setting<T | undefined>;
export function setting<T>(name: string, options: WithDefault<T> | SettingOptions<T>): Setting<T> {
  return { name, ...options };
}

/** The means of a rule over several settings: it reads values, and reports what is wrong. */
export interface SettingRules extends SettingValues {
  /** Reports an error, which keeps the gateway from starting. The text names settings, never their values. */
  problem(text: string): void;
  /** Reports a probable mistake, which does not keep the gateway from running. */
  warning(text: string): void;
}

/** The settings of one topic: one table of docs/configuration.md. `Part` is what they add to `Config`. */
export interface SettingsSection<Part extends object = object> {
  /** Heading in docs/configuration.md. Sections of several modules may share one. */
  readonly title: string;
  readonly settings: ReadonlyArray<Setting<unknown>>;
  /** Reads the settings, and checks the rules over several of them. */
  read(rules: SettingRules): Part;
}

/**
 * A function type for each section. TypeScript infers the parameter of a union of functions as an
 * intersection, which `Parts` uses to join what the sections add.
 */
type Taking<S> = S extends SettingsSection<infer Part> ? (part: Part) => void : never;
type Frozen<T> = { readonly [Key in keyof T]: T[Key] extends readonly unknown[] ? Readonly<T[Key]> : T[Key] };
type Parts<S> = Taking<S> extends (parts: infer All extends object) => void ? All : never;

/**
 * The values of sections, by topic: `ConfigOf<typeof MAIL_SETTINGS | typeof PASSWORD_SETTINGS>` for code that
 * takes just these. A module must use this type instead of `Config`, because `Config` is derived from all
 * modules.
 */
export type ConfigOf<S extends SettingsSection> = {
  readonly [Topic in keyof Parts<S>]: Frozen<Parts<S>[Topic]>;
};

type Declared = Readonly<Record<string, Setting<unknown>>>;
type ValuesOf<D extends Declared> = { readonly [K in keyof D]: D[K] extends Setting<infer T> ? T : never };

/**
 * Declares the settings of one topic.
 * @param config what they add to `Config`
 * @param check the rules over several settings
 */
export function settingsSection<D extends Declared, Part extends object>({
  title,
  settings,
  config,
  check,
}: {
  title: string;
  settings: D;
  config: (values: ValuesOf<D>, all: SettingValues) => Part;
  check?: (values: ValuesOf<D>, rules: SettingRules) => void;
}): SettingsSection<Part> {
  return {
    title,
    settings: Object.values(settings),
    read(rules) {
      const values = Object.fromEntries(
        Object.entries(settings).map(([key, declared]) => [key, rules.of(declared)]),
      ) as ValuesOf<D>;
      check?.(values, rules);
      return config(values, rules);
    },
  };
}

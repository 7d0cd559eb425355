export type Environment = Readonly<Record<string, string | undefined>>;

/** Every problem of the settings together. Names settings, never their values: one of them may be a secret. */
export class InvalidSettings extends Error {
  /** @param warnings probable mistakes, which may explain a problem */
  constructor(
    readonly problems: readonly string[],
    readonly warnings: readonly string[] = [],
  ) {
    const listed = (texts: readonly string[]) => texts.map((text) => `\n- ${text}`).join('');
    super(
      `The settings are not usable:${listed(problems)}${warnings.length > 0 ? `\nPerhaps also:${listed(warnings)}` : ''}`,
    );
    this.name = 'InvalidSettings';
  }
}

/** Turns the text of a setting into its value; throws an Error whose message completes "NAME ...". */
export interface Parser<T> {
  (text: string): T;
  /** The texts that it takes, in Markdown: "1 to 60". Undefined: any text. */
  readonly accepts?: string;
  /** Returns the text of a value. Without it, `String` makes the text of the value, or of each part of a list. */
  print?(value: T): string;
}

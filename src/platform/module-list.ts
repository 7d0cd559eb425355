import type { Composed, Contribution, Module, Part } from './module-type.ts';
import type { ConfigOf, SettingsSection } from './setting-declaration.ts';

/** `one-time-tokens` becomes `oneTimeTokens`. */
type CamelCase<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

/** The services of one module, under its name. */
type Offered<M> = M extends {
  readonly name: infer Name extends string;
  readonly compose: (given: never) => infer Result;
}
  ? Awaited<Result> extends { readonly services: infer Services }
    ? { readonly [Key in CamelCase<Name>]: Services }
    : unknown
  : unknown;

/** The values of the settings that one module declares. */
type Settled<M> = M extends { readonly settings: ReadonlyArray<infer Section extends SettingsSection> }
  ? { readonly config: ConfigOf<Section> }
  : unknown;

/** The contributions of all modules, by kind. */
export class Contributions {
  private readonly lists = new Map<string, unknown[]>();

  /**
   * Everything of one kind, in the order of the modules. A service may keep the list: it is complete before the first
   * request, and still grows while the modules after its own are composed. So do not copy it in a constructor.
   */
  of<Kind extends keyof Contribution>(kind: Kind): ReadonlyArray<Contribution[Kind]> {
    return this.list(kind) as Array<Contribution[Kind]>;
  }

  add(part: Part): void {
    for (const [kind, things] of Object.entries(part)) this.list(kind).push(...things);
  }

  private list(kind: string): unknown[] {
    const list = this.lists.get(kind) ?? [];
    this.lists.set(kind, list);
    return list;
  }
}

/**
 * Modules in the order of their dependencies. The compiler checks the order and the names. `with` takes a
 * module only when everything that its `compose` asks for exists by then: it is given, or a module before it
 * offers it, or it is a setting that this module or one before it declares.
 * @typeParam Services what is given and what the modules offer, by name
 */
export class ModuleList<Given extends object, Services extends Given, Modules extends readonly Module[]> {
  private constructor(readonly modules: Modules) {}

  /** @typeParam Given what exists before any module, beside `config` */
  static given<Given extends object>(): ModuleList<Given, Given, []> {
    return new ModuleList([]);
  }

  with<const M extends Module<Services & Settled<M>>>(
    module: M,
  ): ModuleList<Given, Services & Settled<M> & Offered<M>, [...Modules, M]> {
    return new ModuleList([...this.modules, module]);
  }

  /** Constructs the services of all modules, one module after the other. */
  async compose(
    given: Pick<Services, Extract<keyof Services, keyof Given | 'config'>>,
    contributions: Contributions,
  ): Promise<Services> {
    const all: Record<string, unknown> = { ...given };
    for (const { name, compose } of this.modules) {
      if (!compose) continue;
      const { services, ...part }: Composed = await compose(all as never);
      all[camelCase(name)] = services;
      contributions.add(part);
    }
    return all as Services;
  }
}

const camelCase = (name: string): string =>
  name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

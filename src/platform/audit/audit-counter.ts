import { Counter, type Labels } from '../telemetry/index.ts';
import type { AuditEntry } from './audit-log.ts';

/** How an audit event becomes the labels of a counter. */
export type LabelsOf<Label extends string> = (entry: AuditEntry) => Labels<Label>;

/** Counts audit events once they are committed, so that metrics and audit trail cannot disagree. */
export class AuditCounter<Label extends string> extends Counter<Label> {
  /** @param actions which audit events count, and with which labels */
  constructor(
    declaration: ConstructorParameters<typeof Counter<Label>>[0],
    private readonly actions: Readonly<Record<string, LabelsOf<Label>>>,
  ) {
    super(declaration);
  }

  count(entry: AuditEntry): void {
    const labels = this.actions[entry.action];
    if (labels) this.add(labels(entry));
  }
}

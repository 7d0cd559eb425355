import { BlockpassAway } from '../api/index.ts';
import type { Evidence, FieldEvidence } from '../records/evidence.ts';
import { KycItemKind } from '../records/kyc-item.entity.ts';
import type { SubmittedItem } from '../records/kyc-submissions.ts';
import { type PersonCalls, PersonMustReturn } from '../records/person-calls.ts';
import type { JudgedItem } from './uploaded-items.ts';

/**
 * Asks Blockpass whether it vouches for the uploaded fields. Certificates are checked when a review begins. By then all
 * verified values of the person are known, including the values of earlier uploads.
 */
export async function withVerdicts(
  evidence: Evidence,
  person: PersonCalls,
  judged: readonly JudgedItem[],
): Promise<{ rootHash: string | null; items: SubmittedItem[] }> {
  const fields = new Map(
    judged.flatMap(({ kind, slug, receivedHash }) =>
      kind === KycItemKind.IDENTITY ? [[slug, receivedHash] as const] : [],
    ),
  );
  const { rootHash, verdicts } = await evidence.ofFields(person, fields).catch(nothingKnown);
  const items = judged.map((item) => {
    const verdict = item.kind === KycItemKind.IDENTITY ? verdicts.get(item.slug) : undefined;
    return { ...item, verified: verdict ?? null };
  });
  return { rootHash, items };
}

/** The result when Blockpass cannot be asked. The upload is stored anyway, and the review asks again. */
function nothingKnown(error: unknown): FieldEvidence {
  if (error instanceof BlockpassAway || error instanceof PersonMustReturn) {
    return { rootHash: null, verdicts: new Map() };
  }
  throw error;
}

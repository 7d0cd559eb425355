/** Header values by name. */
export type SecurityHeaders = Readonly<Record<string, string>>;

/** Seconds (RFC 6797): two years. */
const HSTS_MAX_AGE = 63_072_000;

/**
 * Headers that tell a browser (ASVS 5.0 chapter 3.4): run nothing, load nothing, show the answer in no frame, and hand
 * it to no other origin. They are the same for every request, so they are made once. Routes with a page replace the
 * content policy.
 */
export function securityHeaders({ https }: { https: boolean }): SecurityHeaders {
  return {
    'content-security-policy': "default-src 'none';frame-ancestors 'none';form-action 'none';base-uri 'none'",
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'origin-agent-cluster': '?1',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    ...(https && { 'strict-transport-security': `max-age=${HSTS_MAX_AGE}; includeSubDomains` }),
  };
}

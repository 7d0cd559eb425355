export { Letters, LINK_PAGES, type RegistrationFacts } from './letters.ts';
export type { NoticeKind } from './notices.ts';

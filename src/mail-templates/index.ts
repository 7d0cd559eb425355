export { LINK_PAGES, MailTemplates, type RegistrationFacts } from './mail-templates.ts';
export type { NoticeKind } from './notice-templates.ts';

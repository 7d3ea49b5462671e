import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { session, signOut } from '../data/session.ts';
import icon from '../icon.svg';
import { Icon, type IconName } from '../parts/icons.tsx';
import { LinkStatus } from './link-status.tsx';
import { theme, toggleTheme } from './theme.ts';

const PAGES: readonly { href: string; label: string; icon: IconName }[] = [
  { href: '/', label: 'Overview', icon: 'overview' },
  { href: '/jobs', label: 'Jobs', icon: 'jobs' },
  { href: '/batches', label: 'Batches', icon: 'batches' },
  { href: '/flows', label: 'Flows', icon: 'flows' },
  { href: '/schedules', label: 'Schedules', icon: 'schedules' },
  { href: '/traces', label: 'Traces', icon: 'traces' },
  { href: '/workers', label: 'Workers', icon: 'workers' },
  { href: '/audit', label: 'Audit', icon: 'audit' },
  { href: '/settings', label: 'Settings', icon: 'settings' },
];

/** The way to every page, the state of the connection, the theme, and who is signed in. */
export function Side(): JSX.Element {
  const { path } = useLocation();
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [path]);
  const isHere = (href: string) =>
    href === '/' ? path === '/' : path === href || path.startsWith(`${href}/`);
  return (
    <header class="side" data-open={open}>
      <a class="brand" href="/">
        <img src={icon} alt="" />
        Cronium Fleet
      </a>
      <LinkStatus />
      <button
        type="button"
        class="button quiet menu-button"
        aria-expanded={open}
        aria-controls="pages"
        onClick={() => setOpen(!open)}
      >
        <Icon name="menu" />
        Menu
      </button>
      <nav id="pages" class="nav" aria-label="Pages">
        {PAGES.map(({ href, label, icon: name }) => (
          <a key={href} href={href} {...(isHere(href) && { 'aria-current': 'page' as const })}>
            <Icon name={name} />
            {label}
          </a>
        ))}
      </nav>
      <Foot />
    </header>
  );
}

function Foot(): JSX.Element {
  const { value } = session;
  const shown = theme();
  return (
    <div class="side-foot">
      {value.state === 'in' && (
        <div class="who">
          {value.who.name}
          <br />
          {value.who.role} of {value.who.tenant}
        </div>
      )}
      <div class="row">
        <button type="button" class="button quiet small" onClick={toggleTheme}>
          <Icon name={shown === 'dark' ? 'sun' : 'moon'} />
          {shown === 'dark' ? 'Light' : 'Dark'}
        </button>
        <button type="button" class="button quiet small" onClick={() => void signOut()}>
          <Icon name="leave" />
          Sign out
        </button>
      </div>
    </div>
  );
}

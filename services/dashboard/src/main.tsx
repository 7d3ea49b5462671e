import '@fontsource-variable/inter';
import '@fontsource-variable/jetbrains-mono';
import './styles/tokens.css';
import './styles/base.css';
import './styles/parts.css';
import './styles/shell.css';
import './styles/log.css';
import './styles/job.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { openSession } from './data/session.ts';

const root = document.getElementById('app');
if (root !== null) render(<App />, root);
// An address with a key that is pasted into the open page only changes what is behind the #.
window.addEventListener('hashchange', () => {
  if (window.location.hash.startsWith('#key=')) void openSession();
});
void openSession();

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { signIn } from '../data/session.ts';
import icon from '../icon.svg';

/** Asks for an API key. */
export function SignIn({ problem }: { problem: string | undefined }): JSX.Element {
  const [key, setKey] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    await signIn(key.trim());
    setBusy(false);
  };
  return (
    <main class="sign-in">
      <form class="card card-body stack" onSubmit={(event) => void submit(event)}>
        <div class="brand">
          <img src={icon} alt="" />
          Cronium Fleet
        </div>
        <h1>Sign in</h1>
        <label class="field">
          API key
          <input
            class="input mono"
            type="password"
            autocomplete="current-password"
            required
            value={key}
            onInput={({ currentTarget }) => setKey(currentTarget.value)}
            {...(problem !== undefined && { 'aria-describedby': 'sign-in-problem', 'aria-invalid': true })}
          />
        </label>
        {problem !== undefined && (
          <p id="sign-in-problem" role="alert" style={{ color: 'var(--failed)' }}>
            {problem}
          </p>
        )}
        <button type="submit" class="button primary" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
        <p class="muted">
          The local fleet prints an address that signs in by itself: see <code>dashboardUrl</code> in{' '}
          <code>.cronium/local.json</code>. Elsewhere an admin makes keys under Settings.
        </p>
      </form>
    </main>
  );
}

// What components drawn on the server cannot do: keys that are pressed twice or held, the phone that is dragged, digits that stay here until they are sent.
// Every function sends its result only.

const holdFor = 380, doubleWithin = 320;

/** The document's language, and the choice kept for the next visit. */
export function speak(tag, remembered) {
  document.documentElement.lang = tag;
  if (remembered) document.cookie = `majia.language=${remembered}; path=/; max-age=31536000; SameSite=Strict`;
}

/** The page is live: whoever drives it may begin. */
export function ready() {
  document.body.dataset.ready = 'yes';
  const lost = document.getElementById('components-reconnect-modal');
  if (lost.dataset.watched) return;
  lost.dataset.watched = 'yes';
  // A server that was started anew does not know this page: it is loaded anew too, as soon as there is somebody to load it from.
  lost.addEventListener('components-reconnect-state-changed', (event) => {
    if (event.detail.state === 'rejected' || event.detail.state === 'failed') reload();
  });
}

async function reload() {
  try {
    await fetch('/favicon.svg', { cache: 'no-store' });
    location.reload();
  } catch {
    setTimeout(reload, 1000);
  }
}

/** Phone and terminal in the hand of the person at the page. */
export function desk(root, stand) {
  const phone = () => root.querySelector('.phone');
  const controller = new AbortController();
  const on = (target, name, act, more = {}) => target.addEventListener(name, act, { signal: controller.signal, ...more });
  keys(root, stand, on);
  drag(root, phone, stand, on);
  on(document, 'keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.('input, select, textarea, dialog')) return;
    if (event.key === 't' || event.key === 'T') {
      event.preventDefault();
      if (!event.repeat) stand.invokeMethodAsync('Tap', event.shiftKey);
      return;
    }
    // Digits belong to the terminal while it, or nothing, has the focus.
    if (event.target !== document.body && !event.target.closest?.('.terminal')) return;
    const name = /^\d$/.test(event.key) ? `[data-digit="${event.key}"]` : { Backspace: '[data-pad=clear]', Escape: '[data-pad=cancel]' }[event.key];
    const key = name && root.querySelector('.terminal ' + name);
    if (key) {
      event.preventDefault();
      key.click();
    } else if (event.key === 'Enter' && event.target === document.body) {
      root.querySelector('[data-pad=ok]')?.click();
    }
  });
  return { dispose: () => controller.abort() };
}

/** A key of the phone: pressed once, twice, or held. */
function keys(root, stand, on) {
  let holding = null, held = false, waiting = null, presses = 0;
  const begin = (key) => {
    held = false;
    clearTimeout(holding);
    holding = setTimeout(() => {
      held = true;
      key.classList.add('held');
      stand.invokeMethodAsync('Key', key.dataset.key, 'hold');
    }, holdFor);
  };
  const end = (key) => {
    clearTimeout(holding);
    key.classList.remove('held');
  };
  const keyOf = (event) => event.target.closest?.('[data-key]');
  on(root, 'pointerdown', (event) => { const key = keyOf(event); if (key) begin(key); });
  on(root, 'pointerup', (event) => { const key = keyOf(event); if (key) end(key); });
  on(root, 'pointercancel', (event) => { const key = keyOf(event); if (key) end(key); });
  on(root, 'keydown', (event) => {
    const key = keyOf(event);
    if (key && !event.repeat && (event.key === ' ' || event.key === 'Enter')) begin(key);
  });
  on(root, 'keyup', (event) => { const key = keyOf(event); if (key) end(key); });
  on(root, 'contextmenu', (event) => { if (keyOf(event)) event.preventDefault(); });
  on(root, 'click', (event) => {
    const key = keyOf(event);
    if (!key) return;
    if (held) {
      held = false;
      return;
    }
    clearTimeout(waiting);
    if (++presses === 2) {
      presses = 0;
      stand.invokeMethodAsync('Key', key.dataset.key, 'double');
      return;
    }
    waiting = setTimeout(() => {
      presses = 0;
      stand.invokeMethodAsync('Key', key.dataset.key, 'press');
    }, doubleWithin);
  });
}

/** The phone follows the pointer; near the reader it is in the field, and out of it again when it leaves. */
function drag(root, phone, stand, on) {
  let from = null, near = false, moved = false, returning = null;
  const body = () => phone();
  const place = (x, y) => { const it = body(); if (it) it.style.translate = `${x}px ${y}px`; };
  const isNear = () => {
    const a = body().getBoundingClientRect(), b = root.querySelector('[data-reader]').getBoundingClientRect();
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left), high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    return wide > 46 && high > 60;
  };
  on(root, 'pointerdown', (event) => {
    if (event.button !== 0 || !event.target.closest('.phone') || event.target.closest('button, input, select, a, .app-scroll')) return;
    from = { x: event.clientX, y: event.clientY };
    moved = false;
    clearTimeout(returning);
    body().classList.add('dragged');
    body().setPointerCapture(event.pointerId);
  });
  on(root, 'pointermove', (event) => {
    if (!from) return;
    const zoom = Number(getComputedStyle(body()).getPropertyValue('--zoom')) || 1;
    const [x, y] = [(event.clientX - from.x) / zoom, (event.clientY - from.y) / zoom];
    moved ||= Math.hypot(x, y) > 6;
    if (!moved) return;
    place(x, y);
    if (isNear() !== near) {
      near = !near;
      stand.invokeMethodAsync(near ? 'Arrive' : 'Leave');
    }
  });
  const drop = () => {
    if (!from) return;
    from = null;
    const back = () => {
      body()?.classList.remove('dragged');
      place(0, 0);
      if (near) stand.invokeMethodAsync('Leave');
      near = false;
    };
    // Dropped on the terminal it lies there for as long as a tap takes.
    if (near) returning = setTimeout(back, 1100); else back();
  };
  on(root, 'pointerup', drop);
  on(root, 'pointercancel', drop);
}

/** A card that is typed in: digits in groups, the first nine told while typing, all of it only when the form is sent, and then forgotten. */
export function typedCard(form, app) {
  const digits = (field) => form.elements[field].value.replace(/\D/g, '');
  const text = (field) => form.elements[field].value.trim() || null;
  const recognise = () => {
    const field = form.elements.number, plain = digits('number').slice(0, 19);
    field.value = plain.replace(/(.{4})(?=.)/g, '$1 ');
    app.invokeMethodAsync('Recognise', plain.slice(0, 9), plain.length, checks(plain));
  };
  form.elements.number.addEventListener('input', recognise);
  if (form.elements.number.value) recognise(); // whoever was quicker than this script
  form.elements.expiry.addEventListener('input', () => {
    const plain = digits('expiry').slice(0, 4);
    form.elements.expiry.value = plain.length > 2 ? `${plain.slice(0, 2)}/${plain.slice(2)}` : plain;
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const expiry = digits('expiry');
    // Cards print month and year; the bank's field is year and month.
    app.invokeMethodAsync('Typed', digits('number'), expiry.length === 4 ? expiry.slice(2) + expiry.slice(0, 2) : null, digits('cvn2') || null, text('holder'), text('id'), digits('mobile') || null);
    form.reset();
    app.invokeMethodAsync('Recognise', '', 0, false);
  });
}

/** Luhn: the last digit fits the others. */
function checks(number) {
  let sum = 0;
  for (let at = 0; at < number.length; at++) {
    const digit = Number(number[number.length - 1 - at]);
    sum += at % 2 === 0 ? digit : digit * 2 - (digit > 4 ? 9 : 0);
  }
  return number.length > 0 && sum % 10 === 0;
}

/** Tells which row is at the top when it has moved far enough. */
export function watchScroll(list, story, rowHeight) {
  let told = 0, asked = false;
  list.addEventListener('scroll', () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      const top = Math.floor(list.scrollTop / rowHeight);
      if (Math.abs(top - told) >= 6) {
        told = top;
        story.invokeMethodAsync('Scrolled', top);
      }
    });
  }, { passive: true });
}

/** New rows at the end: whoever reads the end goes on reading it. */
export function keepEnd(list) {
  if (list && list.scrollHeight - list.scrollTop - list.clientHeight < 320) list.scrollTop = list.scrollHeight;
}

/** A row that was opened stays in sight above what it opened. */
export function keepRow(list) {
  list?.querySelector('.story-row[aria-expanded=true]')?.scrollIntoView({ block: 'nearest' });
}

/** Keeps a drawn picture as PNG: drawn on a canvas, twice its size. */
export async function keepPicture(address, name) {
  const picture = new Image();
  picture.src = address;
  await picture.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [picture.naturalWidth * 2, picture.naturalHeight * 2];
  canvas.getContext('2d').drawImage(picture, 0, 0, canvas.width, canvas.height);
  const link = document.createElement('a');
  link.href = canvas.toDataURL('image/png');
  link.download = name;
  link.click();
}

/** One call of the owner's API: the session is a cookie that no script sees. */
export async function ask(method, path, body) {
  const answer = await fetch('/api/owner' + path, method === 'GET' ? {} : { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body ?? {}) });
  return answer.text();
}

/** Name and password go from here to the owner's API, and nowhere else. */
export function ownerForm(form, page) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const said = await ask('POST', '/sign-in', { account: form.elements.account.value.trim(), password: form.elements.password.value });
    form.elements.password.value = '';
    page.invokeMethodAsync('Answered', said);
  });
}

export async function passkeySignIn() {
  try {
    const begun = JSON.parse(await ask('POST', '/passkeys/sign-in-options'));
    const got = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(begun.options) });
    return await ask('POST', '/passkeys/sign-in', { ceremony: begun.name, credential: got.toJSON() });
  } catch (error) {
    return unused(error);
  }
}

export async function passkeyAdd(name) {
  try {
    const begun = JSON.parse(await ask('POST', '/passkeys/options'));
    const made = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(begun.options) });
    return await ask('POST', '/passkeys', { ceremony: begun.name, credential: made.toJSON(), name });
  } catch (error) {
    return unused(error);
  }
}

/** The person closed the browser's own sheet, or this browser has no passkeys. */
const unused = (error) => JSON.stringify({ ok: false, reasons: [{ code: error.name, why: { en: 'No passkey was used. Sign in with the password instead.', zh: '未使用通行密钥，请改用口令登录。' } }] });

/** A sheet that lies over the page. */
export function openSheet(sheet) {
  if (!sheet.open) sheet.showModal();
}

export const copy = (text) => navigator.clipboard.writeText(text);

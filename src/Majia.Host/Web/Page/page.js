// One page, five views of the same running system: phone, the bank's messages, terminal, bank, trace.
import { $, call, fill, h, options, paper, show, write } from '/screen.js';
import * as trace from '/trace.js';
import { choose, current, onLanguage, preferred, say, t } from '/texts.js';

const seed = await call('/seed');
let state = null;
let phoneSaid = null;
let counterSaid = null;
let followedPayment = null;
let dying = null;
let reprint = null;
let working = 0;

// ---- asking and telling ----

let refreshing = null;
let again = false;

/** What is shown, anew. Whoever calls while an answer is under way waits for the one after it. */
function refresh() {
  again = true;
  refreshing ??= ask().finally(() => { refreshing = null; });
  return refreshing;
}

async function ask() {
  try {
    while (again) {
      again = false;
      state = await call(`/state?phone=${$('handset').value}&terminal=${$('shop').value}`);
    }
    show($('connection'), false);
    draw();
    if (state.counter.trace && state.counter.trace !== followedPayment) {
      followedPayment = state.counter.trace;
      const [, , shop, , voucher] = followedPayment.split(':');
      await trace.follow(followedPayment, () => t('traceOf', `${shop} · ${voucher}`));
    } else {
      await trace.load();
    }
  } catch {
    lost();
  }
}

function lost() {
  write($('connection'), t('lost'));
  show($('connection'), true);
}

const words = (error) => (error.api?.why ? () => say(error.api.why) : () => t('lost'));

async function phone(path, body) {
  phoneSaid = { good: true, says: () => t('working') };
  working += 1;
  draw();
  try {
    const said = await call(`/phones/${$('handset').value}${path}`, body ?? {});
    phoneSaid = said.ok ? null : { good: false, says: () => said.reasons.map((reason) => say(reason.why)).join(current() === 'zh' ? '' : ' ') + (said.triesLeft === undefined ? '' : ' ' + t('triesLeft', said.triesLeft)) };
    return said;
  } catch (error) {
    phoneSaid = { good: false, says: words(error) };
    return { ok: false };
  } finally {
    working -= 1;
    draw();
    refresh();
  }
}

function phoneDone(key) {
  phoneSaid = { good: true, says: () => t(key) };
  draw();
}

async function terminal(path, body) {
  counterSaid = null;
  try {
    await call(`/terminals/${$('shop').value}${path}`, body ?? {});
    return true;
  } catch (error) {
    counterSaid = { good: false, says: words(error) };
    draw();
    return false;
  }
}

// ---- drawing ----

function draw() {
  if (!state) return;
  drawPhone(state.phone);
  drawMessages(state.messages);
  drawCounter(state.counter);
  drawBank(state.bank);
  drawPinPad(state.counter.pin);
}

const clock = (at) => new Intl.DateTimeFormat(current() === 'zh' ? 'zh-CN' : 'en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(new Date(at));

function turn(element, on, enabled = true) {
  element.setAttribute('aria-checked', String(on));
  element.disabled = !enabled;
  write(element, t(on ? 'on' : 'off'));
}

function said(element, what) {
  write(element, what ? what.says() : '');
  element.classList.toggle('bad', !!what && !what.good);
}

function drawPhone(it) {
  const { screen } = it;
  write($('phone-model'), it.model);
  write($('phone-account'), it.account ?? t('signedOut'));
  write($('phone-net'), it.aeroplaneMode ? '✈ ' + t('offline') : t('onlineShort'));
  $('phone-screen').dataset.kind = screen.kind;
  write($('screen-says'), say(screen.says));
  write($('screen-amount'), screen.amount ? '¥ ' + screen.amount : '');
  show($('screen-amount'), !!screen.amount);
  drawCountdown(screen.kind === 'Ready' ? screen.until : null);
  said($('phone-said'), phoneSaid);

  fill($('cards'), [it.cards, screen, dying], current(), () => it.cards.length === 0 ? [h('li', { class: 'empty' }, t('noCards'))] : it.cards.map((card) => {
    const live = card.state === 'Active';
    const chosen = screen.cardReference === card.reference && (screen.kind === 'VerifyFingerprint' || screen.kind === 'Ready');
    const art = h('button', {
      type: 'button', class: 'card' + (chosen ? ' chosen' : ''), 'aria-pressed': String(chosen), disabled: !live, 'data-key': 'card' + card.reference,
      onclick: async () => { if ((await phone('/choose', { cardReference: card.reference })).ok) phoneSaid = null; },
    },
    h('span', { class: 'bank' }, say(card.bank)), h('span', { class: 'card-kind' }, say(card.kind)),
    h('span', { class: 'digits' }, card.deviceLastFour ? '•••• ' + card.deviceLastFour : '••••'), h('span', { class: 'card-state' }, live && !chosen ? t('choose') : chosen ? t('chosen') : say(card.words)));
    art.style.setProperty('--card', card.colour);
    return h('li', {}, art, h('div', { class: 'row small' },
      h('button', { type: 'button', class: 'quiet', 'data-key': 'trace' + card.reference, onclick: () => trace.follow(card.trace, () => t('traceCard')) }, t('showTrace')),
      h('button', {
        type: 'button', class: 'quiet' + (dying === card.reference ? ' danger' : ''), 'data-key': 'delete' + card.reference,
        onclick: async () => {
          if (dying !== card.reference) {
            dying = card.reference;
            draw();
            return;
          }
          dying = null;
          if ((await phone('/delete', { cardReference: card.reference })).ok) phoneDone('doneDeleted');
        },
      }, t(dying === card.reference ? 'sure' : 'remove'))));
  }));

  const waiting = it.cards.find((card) => card.codeTo !== undefined && card.codeTo !== null);
  show($('code-form'), !!waiting);
  if (waiting) {
    $('code-form').dataset.card = waiting.reference;
    write($('code-to'), t('codeTo', waiting.codeTo));
  }

  show($('sign-in'), !it.signedIn);
  show($('signed-in'), it.signedIn);
  write($('signed-in-as'), t('signedInAs', it.account ?? ''));
  mark($('check-account'), it.signedIn);
  mark($('find-device').closest('li'), it.findDeviceOn);
  mark($('enrol').closest('li'), it.fingerprintOn && it.hasFingerprint);
  mark($('aeroplane').closest('li'), !it.aeroplaneMode);
  turn($('find-device'), it.findDeviceOn);
  turn($('enrol'), it.hasFingerprint);
  turn($('aeroplane'), it.aeroplaneMode);
  show($('resume'), it.unfinished);
  $('finger').disabled = screen.kind !== 'VerifyFingerprint';
  $('phone-cancel').disabled = screen.kind !== 'VerifyFingerprint' && screen.kind !== 'Ready';
  fill($('history'), it.history, current(), () => it.history.length === 0 ? [h('li', { class: 'hint' }, t('historyEmpty'))]
    : it.history.map((line) => h('li', {}, h('time', {}, clock(line.at)), ' ', line.amount ? '¥ ' + line.amount + ' ' : '', say(line.says))));
  for (const button of document.querySelectorAll('#add-form button, #type-form button, #sign-in button')) button.disabled = working > 0;
}

function mark(item, good) {
  item.classList.toggle('good', good);
}

let countedFor = null;

function drawCountdown(until) {
  if (until === countedFor) return;
  countedFor = until;
  const bar = $('countdown');
  show(bar, !!until);
  bar.replaceChildren();
  if (until) {
    const rest = h('span', {});
    rest.style.animationDuration = Math.max(0, new Date(until) - Date.now()) + 'ms';
    bar.append(rest);
  }
}

function drawMessages(messages) {
  fill($('message-list'), messages, current(), () => messages.length === 0 ? [h('li', { class: 'hint' }, t('messagesEmpty'))]
    : messages.map((message) => h('li', {}, h('p', { class: 'body' }, ...codes(say(message.body))), h('p', { class: 'hint' }, `${clock(message.at)} · ${t('to', message.to)}`))));
}

/** A code stands out, as phones show it. */
const codes = (text) => text.split(/(?<!\d)(\d{6})(?!\d)/).map((part, at) => (at % 2 ? h('strong', { class: 'code' }, part) : part));

function drawCounter(it) {
  const last = it.shown[it.shown.length - 1];
  const resting = !it.busy && !last;
  write($('display-text'), resting ? t('welcome') : last ? say(last.text) : t('working'));
  write($('display-why'), resting ? t('welcomeWhy') : last?.why ? say(last.why) : last?.id === 'SeePhone' ? t('retap') : '');
  write($('tap-label'), t('tapWith', state.phone.model));
  $('sell').disabled = it.busy;
  $('void').disabled = it.busy;
  $('shop').disabled = it.busy;
  $('tap').disabled = !it.busy;
  $('counter-cancel').disabled = !it.busy;
  said($('counter-said'), counterSaid ?? (it.pendingReversals > 0 ? { good: false, says: () => t('reversalsPending', it.pendingReversals) } : null));
  fill($('shown'), it.shown, current(), () => it.shown.map((message) => h('li', {}, say(message.text))));

  const outcome = it.result;
  show($('outcome'), !!outcome || it.failed);
  if (outcome || it.failed) {
    $('outcome').dataset.outcome = outcome?.outcome ?? 'Failed';
    write($('outcome-words'), outcome ? `${say(outcome.words)}${outcome.code ? ' · ' + outcome.code : ''}` : t('failed'));
    write($('outcome-why'), outcome ? [outcome.outcome === 'Approved' || outcome.outcome === 'Voided' ? '' : say(outcome.why), outcome.cvm !== 'none' && outcome.rrn ? t('cvm', t('cvm:' + outcome.cvm)) : '', outcome.rrn ? 'RRN ' + outcome.rrn : ''].filter(Boolean).join(' · ') : '');
  }
  const slip = reprint ?? outcome?.slip;
  show($('paper'), !!slip);
  if (slip && $('slip').textContent !== slip.replace(/\n+$/, '')) paper($('slip'), slip);

  fill($('journal'), [it.journal, it.busy], current(), () => it.journal.map((row) => h('li', {},
    h('span', { class: 'journal-line' },
      h('time', {}, clock(row.at)), h('span', {}, t(row.kind === 'Void' ? 'void' : 'sale')), h('strong', {}, row.amount),
      h('span', { class: 'state ' + row.state }, say(row.words) + (row.code && row.state !== 'Approved' && row.code !== '00' ? ' ' + row.code : ''))),
    h('span', { class: 'hint' }, `${row.voucher} · ${row.number}${row.rrn ? ' · RRN ' + row.rrn : ''}`),
    h('span', { class: 'row small' },
      h('button', { type: 'button', class: 'quiet', 'data-key': 't' + row.trace, onclick: () => trace.follow(row.trace, () => t('traceOf', row.trace.split(':')[2] + ' · ' + row.voucher)) }, t('showTrace')),
      row.hasSlip ? h('button', { type: 'button', class: 'quiet', 'data-key': 's' + row.trace, onclick: () => showSlip(row.rrn) }, t('showSlip')) : null,
      row.canVoid ? h('button', { type: 'button', class: 'quiet', disabled: it.busy, 'data-key': 'v' + row.trace, onclick: () => voidIt(row.rrn) }, t('voidIt')) : null))));
  show($('journal-empty'), it.journal.length === 0);
}

function drawBank({ accounts, payment }) {
  fill($('bank-payment'), payment ?? null, current(), () => payment ? [h('div', { class: 'belongs' },
    h('h3', {}, `${t('lastPayment')} · ${payment.amount}`),
    h('p', {}, t('belongs', payment.deviceLastFour, payment.plastic)),
    h('p', { class: 'hint' }, say(payment.howToUndo)),
    h('table', {}, h('caption', {}, t('ledger')), h('tbody', {}, ...payment.ledger.map((entry) => h('tr', {}, h('td', {}, say(entry.kindWords)), h('td', {}, entry.account), h('td', { class: 'money' }, entry.amount))))))] : []);
  fill($('accounts'), accounts, current(), () => accounts.map((account) => h('li', {},
    h('h3', {}, `${say(account.bank)} · ${account.holder}`), h('p', { class: 'hint' }, say(account.kind)),
    h('dl', {}, ...[['balance', account.balance], ['available', account.available], ['points', String(account.points)]].flatMap(([key, value]) => [h('dt', {}, t(key)), h('dd', { 'data-fact': key }, value)])),
    h('ul', { class: 'vests' }, ...account.cards.map((card) => h('li', {}, h('span', {}, `${t('plastic')} ${card.number} · ${say(card.state)}`),
      h('ul', {}, ...card.devices.map((device) => h('li', { class: device.live ? 'live' : 'dead' }, `${t('inPhone', device.model, device.lastFour)} · ${say(device.state)}`)))))))));
  show($('accounts-empty'), accounts.length === 0);
}

// ---- the PIN pad ----

let asked = null;

function drawPinPad(pin) {
  const pad = $('pin-pad');
  if (!pin) {
    asked = null;
    $('pin').value = '';
    if (pad.open) pad.close();
    return;
  }
  write($('pin-amount'), '¥ ' + pin.amount);
  write($('pin-why'), say(pin.why));
  write($('pin-again'), pin.again ? say(pin.again) : '');
  write($('pin-hint'), t('pinHint', seed.testPin));
  if (asked !== pin.request) {
    asked = pin.request;
    $('pin').value = '';
    if (!pad.open) pad.showModal();
    $('pin').focus();
  }
}

async function typed(digits) {
  if (asked === null) return;
  const request = asked;
  asked = null;
  $('pin').value = '';
  $('pin-pad').close();
  await terminal('/pin', { request, pin: digits });
  refresh();
}

function drawKeys() {
  const key = (label, press, name) => h('button', { type: 'button', onclick: press, 'aria-label': name ?? label, tabindex: '-1' }, label);
  const pin = $('pin');
  const press = (digit) => () => { if (pin.value.length < 6) pin.value += digit; };
  $('pin-keys').replaceChildren(...'123456789'.split('').map((digit) => key(digit, press(digit))),
    key('C', () => { pin.value = ''; }, t('clear')), key('0', press('0')), key('⌫', () => { pin.value = pin.value.slice(0, -1); }, t('backspace')));
}

// ---- hands ----

async function added(outcome) {
  if (outcome.step === 'FingerprintNeeded') {
    phoneSaid = { good: false, says: () => t('fingerNeeded') };
    $('enrol').focus();
  } else if (outcome.step === 'Interrupted') {
    const before = phoneSaid;
    phoneSaid = { good: false, says: () => [before?.says(), t('interrupted')].filter(Boolean).join(' ') };
  } else if (outcome.step === 'CodeNeeded') {
    phoneSaid = { good: true, says: () => t('doneCode') };
  } else if (outcome.step === 'Added') {
    phoneSaid = { good: true, says: () => t('doneAdded') };
  }
  if (outcome.cardReference) trace.follow('card:' + outcome.cardReference, () => t('traceCard'));
  await refresh();
  draw();
  if (outcome.step === 'CodeNeeded') $('code').focus();
}

async function voidIt(number) {
  reprint = null;
  if (await terminal('/void', { number })) $('void-number').value = '';
  refresh();
}

async function showSlip(number) {
  reprint = (await call(`/terminals/${$('shop').value}/slips/${encodeURIComponent(number)}`)).slip;
  draw();
  $('paper').focus();
}

function onSubmit(form, act) {
  $(form).addEventListener('submit', (event) => {
    event.preventDefault();
    act();
  });
}

onSubmit('sign-in', async () => { if ((await phone('/sign-in', { account: $('account').value, password: $('password').value })).ok) phoneDone('doneSignIn'); });
$('sign-out').onclick = async () => { if ((await phone('/sign-out')).ok) phoneDone('doneSignOut'); };
$('find-device').onclick = () => phone('/find-device', { on: !state.phone.findDeviceOn });
$('enrol').onclick = () => phone('/fingerprints', { on: !state.phone.hasFingerprint });
$('aeroplane').onclick = () => phone('/aeroplane', { on: !state.phone.aeroplaneMode });
onSubmit('add-form', async () => added(await phone('/cards', { card: $('test-card').value })));
onSubmit('type-form', async () => {
  const value = (id) => $('typed-' + id).value || undefined;
  const body = { number: value('number'), expiry: value('expiry'), cvn2: value('cvn2'), holderName: value('holder'), idNumber: value('id'), mobileNumber: value('mobile') };
  $('type-form').reset(); // the number is the phone's now
  added(await phone('/cards', body));
});
$('resume').onclick = async () => added(await phone('/resume'));
onSubmit('code-form', async () => {
  const digits = $('code').value.trim();
  $('code').value = '';
  added(await phone('/code', { cardReference: $('code-form').dataset.card, digits }));
});
$('resend').onclick = async () => added(await phone('/resend', { cardReference: $('code-form').dataset.card }));
$('finger').onclick = () => phone('/finger');
$('phone-cancel').onclick = () => phone('/cancel');

onSubmit('sell-form', async () => {
  reprint = null;
  await terminal('/sell', { amount: $('amount').value });
  refresh();
});
$('tap').onclick = () => terminal('/tap', { phone: $('handset').value });
$('counter-cancel').onclick = () => terminal('/cancel');
onSubmit('void-form', () => voidIt($('void-number').value));

onSubmit('pin-form', () => typed($('pin').value));
$('pin-cancel').onclick = () => typed(null);
$('pin-pad').addEventListener('cancel', (event) => {
  event.preventDefault();
  typed(null);
});

for (const button of document.querySelectorAll('[data-language]')) button.onclick = () => choose(button.dataset.language, true);
for (const id of ['handset', 'shop']) {
  $(id).onchange = () => {
    localStorage.setItem('majia.' + id, $(id).value);
    (phoneSaid = null), (counterSaid = null), (reprint = null), (followedPayment = null);
    refresh();
  };
}
$('test-card').onchange = () => drawOutcome();

function drawOutcome() {
  const card = seed.banks.flatMap((bank) => bank.cards).find((one) => one.id === $('test-card').value);
  write($('test-card-outcome'), card ? say(card.outcome) : '');
}

function drawChoices() {
  options($('handset'), seed.handsets.map((one) => h('option', { value: one.id }, `${one.model} (${one.version})`)), localStorage.getItem('majia.handset') ?? seed.handsets[0].id);
  options($('shop'), seed.shops.map((one) => h('option', { value: one.terminal }, `${say(one.name)}, ${say(one.pinRule)}`)), localStorage.getItem('majia.shop') ?? seed.shops[0].terminal);
  options($('test-card'), seed.banks.map((bank) => h('optgroup', { label: say(bank.name) }, ...bank.cards.map((card) => h('option', { value: card.id }, `•••• ${card.lastFour} · ${say(card.kind)} · ${say(card.outcome)}`)))), seed.banks[0].cards[1].id);
  drawOutcome();
}

onLanguage(() => {
  drawChoices();
  drawKeys();
  draw();
  trace.draw();
});

$('account').value = seed.accounts[0].account;
$('password').value = seed.accounts[0].password;
choose(preferred(seed.language), false);
await refresh();

// Told of each change; a lost connection is taken up again by the browser.
const events = new EventSource('/api/events');
events.addEventListener('change', refresh);
events.onerror = lost;
document.body.dataset.ready = 'true';

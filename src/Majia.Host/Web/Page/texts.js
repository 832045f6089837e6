// The page's own words. What a party says comes from the server in both languages.
const texts = {
  en: {
    tagline: 'A bank card in a phone, paid at a QuickPass terminal. Every party runs here.',
    phone: 'Phone', handset: 'Handset', pressFinger: 'Press fingerprint', cancel: 'Cancel', confirm: 'Confirm', resend: 'New code',
    codeTitle: 'Code from the bank', codeTo: 'The bank has sent a code to {0}: read it under the bank’s messages.', code: 'Code',
    conditions: 'Before a card can be added', account: 'Account', password: 'Password', signIn: 'Sign in', signOut: 'Sign out', signedInAs: 'Signed in as {0}',
    findDevice: 'Find Device is on', fingerprint: 'A fingerprint is enrolled', online: 'The phone is online', aeroplane: 'Aeroplane mode',
    addCard: 'Add a card', testCard: 'Test card', addThis: 'Add this card', resume: 'Go on', typeCard: 'Type a card in', number: 'Card number', expiry: 'Expiry (YYMM)',
    holder: 'Holder’s name', idNumber: 'ID number', mobile: 'Mobile number', addTyped: 'Add typed card', history: 'What the phone remembers', historyEmpty: 'Nothing yet.',
    messages: 'The bank’s messages', messagesHint: 'SMS to the cardholder. A new code comes here.', messagesEmpty: 'No message yet.', to: 'to {0}',
    terminal: 'Terminal', shop: 'Shop', amount: 'Amount, CNY', sell: 'Sell', tapWith: 'Hold {0} to the terminal', slip: 'Slip', voidNumber: 'Voucher or RRN', voidIt: 'Void',
    journal: 'Journal', journalEmpty: 'No payment at this terminal yet.', welcome: 'Welcome', welcomeWhy: 'Enter an amount and press Sell.', failed: 'The terminal failed; see the log.',
    bank: 'Bank', bankHint: 'Only the bank knows which plastic wears which device number.', accountsEmpty: 'No card of these banks is in a phone yet.',
    balance: 'Balance', available: 'Available', points: 'Points', lastPayment: 'Last payment', belongs: 'Device number ending {0} on the slip is the plastic {1}.', ledger: 'Ledger',
    inPhone: '{0}, ends {1}', plastic: 'Plastic', devices: 'Device cards',
    trace: 'Trace', traceEmpty: 'Add a card or make a payment: each message between the parties appears here.', traceOf: 'Payment {0}', traceCard: 'Adding the card', tracing: '{0} · {1} rows',
    apdu: 'APDU', iso8583: 'ISO 8583', json: 'JSON', key: 'Key', ledgerKind: 'Ledger', decision: 'Decision', kinds: 'Kinds of rows', bytes: '{0} bytes', noBytes: 'No bytes are kept of this.', hex: 'Hex',
    footer: 'Test banks, test keys, invented people. No card number leaves the party that may hold it.',
    pinTitle: 'PIN pad', pin: 'Six-digit PIN', pinConfirm: 'Confirm', pinHint: 'The test cards’ PIN is {0}.', clear: 'Clear', backspace: 'Delete last digit',
    live: 'live', choose: 'Choose', chosen: 'Chosen', remove: 'Delete', showTrace: 'Trace', showSlip: 'Slip', enterCode: 'waiting for the bank’s code',
    noCards: 'No card in this phone yet.', signedOut: 'signed out', offline: 'offline', onlineShort: 'online',
    lost: 'Majia does not answer. Is it still running? This page goes on by itself when it is back.',
    doneAdded: 'The card is in the phone.', doneCode: 'The bank has sent a code: type it below.', fingerNeeded: 'Enrol a fingerprint first, then add the card again.',
    interrupted: 'Interrupted. Press “Go on” to continue where it stopped.', triesLeft: 'Tries left: {0}.', doneSignIn: 'Signed in.', doneSignOut: 'Signed out. The payment cards of this phone are dead at once.',
    doneDeleted: 'The card has left this phone.', working: 'One moment…', sale: 'Sale', void: 'Void', reversalsPending: 'Reversals waiting: {0}', sure: 'Press again to delete', cvm: 'Verified by {0}', 'cvm:cdcvm': 'fingerprint on the phone', 'cvm:cdcvm+online-pin': 'fingerprint on the phone and PIN', 'cvm:online-pin': 'PIN', 'cvm:signature': 'signature',
    on: 'On', off: 'Off', retap: 'Hold the phone again when it is ready.', chip: 'chip',
  },
  zh: {
    tagline: '手机里的银行卡，在云闪付终端上付款；所有参与方都在这里运行。',
    phone: '手机', handset: '机型', pressFinger: '按指纹', cancel: '取消', confirm: '确认', resend: '重新获取',
    codeTitle: '银行验证码', codeTo: '银行已向 {0} 发送验证码，请在“银行短信”中查看。', code: '验证码',
    conditions: '添加银行卡的条件', account: '帐号', password: '口令', signIn: '登录', signOut: '退出登录', signedInAs: '已登录：{0}',
    findDevice: '已开启查找手机', fingerprint: '已录入指纹', online: '手机已联网', aeroplane: '飞行模式',
    addCard: '添加银行卡', testCard: '测试卡', addThis: '添加此卡', resume: '继续', typeCard: '手工输入卡号', number: '卡号', expiry: '有效期（年月 YYMM）',
    holder: '持卡人姓名', idNumber: '证件号码', mobile: '预留手机号', addTyped: '添加输入的卡', history: '手机上的记录', historyEmpty: '暂无记录。',
    messages: '银行短信', messagesHint: '发给持卡人的短信，新的验证码会出现在这里。', messagesEmpty: '暂无短信。', to: '发至 {0}',
    terminal: '收银终端', shop: '商户', amount: '金额（元）', sell: '收款', tapWith: '用 {0} 挥一挥', slip: '签购单', voidNumber: '凭证号或参考号', voidIt: '撤销',
    journal: '交易流水', journalEmpty: '本终端暂无交易。', welcome: '欢迎光临', welcomeWhy: '请输入金额后按“收款”。', failed: '终端出错，详见日志。',
    bank: '银行', bankHint: '只有银行知道哪张实体卡穿着哪件“马甲”。', accountsEmpty: '这些银行的卡还没有添加到手机。',
    balance: '余额', available: '可用', points: '积分', lastPayment: '最近一笔', belongs: '签购单上尾号 {0} 的设备卡，就是实体卡 {1}。', ledger: '分录',
    inPhone: '{0}，尾号 {1}', plastic: '实体卡', devices: '设备卡',
    trace: '全程追踪', traceEmpty: '添加银行卡或付款后，各方之间的每条消息都会显示在这里。', traceOf: '交易 {0}', traceCard: '添加银行卡', tracing: '{0} · 共 {1} 条',
    apdu: 'APDU', iso8583: 'ISO 8583', json: 'JSON', key: '密钥', ledgerKind: '账务', decision: '判断', kinds: '记录类型', bytes: '{0} 字节', noBytes: '此条不保留报文。', hex: '十六进制',
    footer: '测试银行、测试密钥、虚构人物。卡号只存在于有权持有它的一方。',
    pinTitle: '密码键盘', pin: '六位密码', pinConfirm: '确认', pinHint: '测试卡密码为 {0}。', clear: '清除', backspace: '删除一位',
    live: '可用', choose: '选择', chosen: '已选', remove: '删除', showTrace: '追踪', showSlip: '签购单', enterCode: '等待银行验证码',
    noCards: '本机还没有银行卡。', signedOut: '未登录', offline: '未联网', onlineShort: '已联网',
    lost: '马甲没有响应，是否仍在运行？恢复后本页会自动继续。',
    doneAdded: '银行卡已添加到手机。', doneCode: '银行已发送验证码，请在下方输入。', fingerNeeded: '请先录入指纹，再添加银行卡。',
    interrupted: '已中断，按“继续”可从中断处接着办理。', triesLeft: '还可尝试 {0} 次。', doneSignIn: '已登录。', doneSignOut: '已退出登录，本机的支付卡立即失效。',
    doneDeleted: '银行卡已从本机移除。', working: '请稍候……', sale: '消费', void: '撤销', reversalsPending: '待发送冲正：{0} 笔', sure: '再按一次即删除', cvm: '验证方式：{0}', 'cvm:cdcvm': '手机指纹', 'cvm:cdcvm+online-pin': '手机指纹和密码', 'cvm:online-pin': '密码', 'cvm:signature': '签名',
    on: '开', off: '关', retap: '准备好后请再次靠近。', chip: '芯片',
  },
};

let language = 'en';
const listeners = [];

export const current = () => language;

/** One of the page's own texts; {0}, {1} are filled in. */
export function t(key, ...values) {
  const text = texts[language][key] ?? key;
  return text.replace(/\{(\d)\}/g, (_, at) => values[at] ?? '');
}

/** A text of the server, {en, zh}, in the chosen language. */
export const say = (text) => (text ? text[language] : '');

export function onLanguage(listener) {
  listeners.push(listener);
}

export function choose(next, remember) {
  language = next === 'zh' ? 'zh' : 'en';
  if (remember) localStorage.setItem('majia.language', language);
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  for (const element of document.querySelectorAll('[data-t]')) element.textContent = t(element.dataset.t);
  for (const button of document.querySelectorAll('[data-language]')) button.setAttribute('aria-pressed', String(button.dataset.language === language));
  for (const listener of listeners) listener();
}

/** What this person chose before, else the command's, else the browser's. */
export const preferred = (commanded) => localStorage.getItem('majia.language') ?? (commanded === 'zh' || navigator.language.startsWith('zh') ? 'zh' : 'en');

/**
 * What `detect()` says of each state, in nl, fr, de and en; loaded when it is called.
 *
 * The names between quotes are those of the browsers' own buttons and settings.
 */

const CHROMIUM = {
  nl: { allow: "Toestaan", setting: "Apps op apparaat" },
  fr: { allow: "Autoriser", setting: "Applis sur l’appareil" },
  de: { allow: "Zulassen", setting: "Apps auf dem Gerät" },
  en: { allow: "Allow", setting: "Apps on device" },
};
const FIREFOX = {
  nl: { allow: "Toestaan", setting: "Dit apparaat benaderen" },
  fr: { allow: "Autoriser", setting: "Accéder à cet appareil" },
  de: { allow: "Erlauben", setting: "Auf dieses Gerät zugreifen" },
  en: { allow: "Allow", setting: "Access this device" },
};

const WORDS = {
  nl: (allow, setting) => ({
    "running": ["De eID-agent is klaar", "Deze site kan de eID-agent op dit toestel bereiken."],
    "permission-not-asked": [
      "Je browser stelt je straks een vraag",
      `Hij vraagt of deze site apps en services op dit toestel mag bereiken. Kies “${allow}”: zo bereikt de site de eID-agent. De eID-agent vraagt daarna zelf wat de site mag.`,
    ],
    "permission-asked": [
      "Je browser vraagt je iets",
      `Kijk linksboven, onder het webadres. Kies daar “${allow}”: zo bereikt deze site de eID-agent. Zie je geen vraag? Klik dan op het pictogram links van het webadres.`,
    ],
    "permission-dismissed": [
      "Je hebt de vraag van je browser gesloten",
      `Zonder je antwoord bereikt deze site de eID-agent niet. Probeer opnieuw en kies “${allow}”. Sluit je de vraag te vaak, dan stelt je browser ze niet meer.`,
    ],
    "permission-denied": [
      "Je browser houdt deze site tegen",
      `De site mag geen apps en services op dit toestel bereiken, dus ook de eID-agent niet. Klik op het pictogram links van het webadres en sta “${setting}” toe. Kun je dat niet wijzigen? Vraag het wie je toestel beheert.`,
    ],
    "page-blocked": [
      "Deze pagina mag de eID-agent niet bereiken",
      "Dat ligt aan de site, niet aan jou. Meld het aan wie de site beheert.",
    ],
    "not-running-or-not-trusted": [
      "De eID-agent antwoordt niet",
      "Misschien draait hij niet, of vertrouwt je browser hem nog niet. Start hem met de knop. Opent er een venster? Dat zegt wat er scheelt en herstelt het; sluit daarna je browser helemaal en open hem opnieuw. Gebeurt er niets? Installeer dan de eID-agent.",
    ],
    "too-old": [
      "De eID-agent is te oud",
      "Deze site heeft een nieuwere versie nodig. Installeer die en probeer opnieuw.",
    ],
    "other-user": [
      "Deze eID-agent is van iemand anders",
      "Iemand anders is ook op deze computer aangemeld en gebruikt hem. Start je eigen eID-agent en probeer opnieuw.",
    ],
    "question": `Tekening: linksboven in het venster, onder het webadres, staat de vraag van je browser. De knop “${allow}” is aangeduid.`,
    "settings": `Tekening: links van het webadres staat een pictogram. Daaronder staat de toestemming “${setting}”.`,
    "wake": "Start de eID-agent",
  }),
  fr: (allow, setting) => ({
    "running": [
      "L’agent eID est prêt",
      "Ce site peut atteindre l’agent eID sur cet appareil.",
    ],
    "permission-not-asked": [
      "Votre navigateur va vous poser une question",
      `Il demande si ce site peut atteindre des applications et des services sur cet appareil. Choisissez « ${allow} » : le site atteint ainsi l’agent eID, qui demande ensuite lui-même ce que le site peut faire.`,
    ],
    "permission-asked": [
      "Votre navigateur vous pose une question",
      `Regardez en haut à gauche, sous l’adresse du site. Choisissez-y « ${allow} » : ce site atteint ainsi l’agent eID. Vous ne voyez pas de question ? Cliquez sur l’icône à gauche de l’adresse.`,
    ],
    "permission-dismissed": [
      "Vous avez fermé la question de votre navigateur",
      `Sans votre réponse, ce site n’atteint pas l’agent eID. Réessayez et choisissez « ${allow} ». Si vous fermez la question trop souvent, votre navigateur ne la pose plus.`,
    ],
    "permission-denied": [
      "Votre navigateur bloque ce site",
      `Le site ne peut pas atteindre les applications et services de cet appareil, ni donc l’agent eID. Cliquez sur l’icône à gauche de l’adresse et autorisez « ${setting} ». Vous ne pouvez pas le modifier ? Demandez à la personne qui gère votre appareil.`,
    ],
    "page-blocked": [
      "Cette page ne peut pas atteindre l’agent eID",
      "Cela vient du site, pas de vous. Signalez-le à la personne qui gère le site.",
    ],
    "not-running-or-not-trusted": [
      "L’agent eID ne répond pas",
      "Il ne tourne peut-être pas, ou votre navigateur ne lui fait pas encore confiance. Démarrez-le avec le bouton. Une fenêtre s’ouvre ? Elle dit ce qui ne va pas et le répare ; fermez ensuite complètement votre navigateur et rouvrez-le. Rien ne se passe ? Installez l’agent eID.",
    ],
    "too-old": [
      "L’agent eID est trop ancien",
      "Ce site a besoin d’une version plus récente. Installez-la et réessayez.",
    ],
    "other-user": [
      "Cet agent eID est celui d’une autre personne",
      "Une autre personne connectée sur cet ordinateur l’utilise. Démarrez votre propre agent eID et réessayez.",
    ],
    "question": `Dessin : en haut à gauche de la fenêtre, sous l’adresse du site, se trouve la question de votre navigateur. Le bouton « ${allow} » est indiqué.`,
    "settings": `Dessin : à gauche de l’adresse du site se trouve une icône. En dessous figure l’autorisation « ${setting} ».`,
    "wake": "Démarrer l’agent eID",
  }),
  de: (allow, setting) => ({
    "running": [
      "Der eID-Agent ist bereit",
      "Diese Website kann den eID-Agenten auf diesem Gerät erreichen.",
    ],
    "permission-not-asked": [
      "Ihr Browser wird Sie etwas fragen",
      `Er fragt, ob diese Website Apps und Dienste auf diesem Gerät erreichen darf. Wählen Sie „${allow}“: So erreicht die Website den eID-Agenten. Er fragt danach selbst, was die Website darf.`,
    ],
    "permission-asked": [
      "Ihr Browser fragt Sie etwas",
      `Schauen Sie oben links, unter der Webadresse. Wählen Sie dort „${allow}“: So erreicht diese Website den eID-Agenten. Sie sehen keine Frage? Klicken Sie auf das Symbol links von der Webadresse.`,
    ],
    "permission-dismissed": [
      "Sie haben die Frage Ihres Browsers geschlossen",
      `Ohne Ihre Antwort erreicht diese Website den eID-Agenten nicht. Versuchen Sie es erneut und wählen Sie „${allow}“. Wenn Sie die Frage zu oft schließen, stellt Ihr Browser sie nicht mehr.`,
    ],
    "permission-denied": [
      "Ihr Browser hält diese Website auf",
      `Die Website darf keine Apps und Dienste auf diesem Gerät erreichen, also auch den eID-Agenten nicht. Klicken Sie auf das Symbol links von der Webadresse und erlauben Sie „${setting}“. Sie können das nicht ändern? Fragen Sie, wer Ihr Gerät verwaltet.`,
    ],
    "page-blocked": [
      "Diese Seite darf den eID-Agenten nicht erreichen",
      "Das liegt an der Website, nicht an Ihnen. Melden Sie es denen, die sie betreiben.",
    ],
    "not-running-or-not-trusted": [
      "Der eID-Agent antwortet nicht",
      "Vielleicht läuft er nicht, oder Ihr Browser vertraut ihm noch nicht. Starten Sie ihn mit der Schaltfläche. Ein Fenster öffnet sich? Es sagt, was nicht stimmt, und behebt es; schließen Sie danach Ihren Browser ganz und öffnen Sie ihn wieder. Nichts geschieht? Installieren Sie den eID-Agenten.",
    ],
    "too-old": [
      "Der eID-Agent ist zu alt",
      "Diese Website braucht eine neuere Version. Installieren Sie diese und versuchen Sie es erneut.",
    ],
    "other-user": [
      "Dieser eID-Agent gehört einer anderen Person",
      "Eine andere Person, die an diesem Computer angemeldet ist, benutzt ihn. Starten Sie Ihren eigenen eID-Agenten und versuchen Sie es erneut.",
    ],
    "question": `Zeichnung: Oben links im Fenster, unter der Webadresse, steht die Frage Ihres Browsers. Die Schaltfläche „${allow}“ ist markiert.`,
    "settings": `Zeichnung: Links von der Webadresse steht ein Symbol. Darunter steht die Berechtigung „${setting}“.`,
    "wake": "eID-Agent starten",
  }),
  en: (allow, setting) => ({
    "running": ["The eID agent is ready", "This site can reach the eID agent on this device."],
    "permission-not-asked": [
      "Your browser is going to ask you something",
      `It asks whether this site may reach apps and services on this device. Choose “${allow}”: that is how the site reaches the eID agent. The eID agent then asks you itself what the site may do.`,
    ],
    "permission-asked": [
      "Your browser is asking you something",
      `Look at the top left, under the web address. Choose “${allow}” there: that is how this site reaches the eID agent. You see no question? Click the icon to the left of the web address.`,
    ],
    "permission-dismissed": [
      "You closed your browser’s question",
      `Without your answer this site does not reach the eID agent. Try again and choose “${allow}”. If you close the question too often, your browser stops asking it.`,
    ],
    "permission-denied": [
      "Your browser holds this site back",
      `The site may not reach apps and services on this device, so it does not reach the eID agent either. Click the icon to the left of the web address and allow “${setting}”. You cannot change it? Ask whoever manages your device.`,
    ],
    "page-blocked": [
      "This page may not reach the eID agent",
      "That is the site’s doing, not yours. Report it to whoever runs the site.",
    ],
    "not-running-or-not-trusted": [
      "The eID agent does not answer",
      "It may not be running, or your browser may not trust it yet. Start it with the button. A window opens? It says what is wrong and mends it; after that, close your browser completely and open it again. Nothing happens? Install the eID agent.",
    ],
    "too-old": [
      "The eID agent is too old",
      "This site needs a newer version. Install that and try again.",
    ],
    "other-user": [
      "This eID agent is another person’s",
      "Another person, who is logged in on this computer too, uses it. Start your own eID agent and try again.",
    ],
    "question": `Drawing: at the top left of the window, under the web address, stands your browser’s question. The button “${allow}” is marked.`,
    "settings": `Drawing: to the left of the web address stands an icon. Below it stands the permission “${setting}”.`,
    "wake": "Start the eID agent",
  }),
};

/** Which drawing helps: of the browser's question, or of the way to its settings. */
const DRAWN = {
  "permission-not-asked": "question",
  "permission-asked": "question",
  "permission-dismissed": "question",
  "permission-denied": "settings",
};

const ours = (lang) => {
  const short = (lang ?? "").slice(0, 2).toLowerCase();
  return Object.hasOwn(WORDS, short) ? short : null;
};

/**
 * Language, words, picture and button for a state: see `Detection` in index.d.ts. In the
 * language `shown` the browser shows its own buttons: their names stay as they are there.
 */
export function explain(state, { browser, lang, shown, byPage = false }) {
  const spoken = ours(lang) ?? "en";
  const names = browser === "firefox" ? FIREFOX : CHROMIUM;
  const { allow, setting } = names[ours(shown) ?? spoken];
  const words = WORDS[spoken](allow, setting);
  const [title, text] = words[byPage ? "page-blocked" : state];
  const drawn = browser === "other" || byPage ? undefined : DRAWN[state];
  const src = new URL(`./${drawn}-${browser}.svg`, import.meta.url).href;
  const asleep = state === "not-running-or-not-trusted";
  return {
    lang: spoken,
    title,
    text,
    picture: drawn ? { src, alt: words[drawn] } : null,
    // No more than the scheme: such an address carries neither data nor authority.
    wake: asleep ? { href: "eid-agent:", label: words.wake } : null,
  };
}

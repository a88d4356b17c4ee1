/** What the portal says when something is in the way; one entry an error code. */

const again = "Kies daarna “Probeer opnieuw”.";
const municipality = "Ga naar de dienst Bevolking van je gemeente.";
const company = "Of bel ons of kom langs. We helpen je dan zonder eID.";

const entry = (title, text, ...steps) => ({ title, text, steps });

const ERRORS = {
  "agent-unavailable": entry(
    "We vinden de eID-agent niet",
    "Het programma eID-agent antwoordt niet op deze computer. In deze demo starten en stoppen de eID-agent en de site samen.",
    "Kijk in het terminalvenster of de demo nog draait.",
    "Draait ze niet meer? Start de demo opnieuw en open de nieuwe pagina.",
    "Draait ze nog? Kies dan “Probeer opnieuw”.",
  ),
  "permission-denied": entry(
    "Je browser houdt deze site tegen",
    "Je browser mag van jou geen programma’s op dit toestel bereiken. Daardoor kunnen we je kaart niet lezen.",
    "Geef deze site toestemming in je browser. Lukt dat niet? Laad de pagina dan opnieuw.",
    again,
    company,
  ),
  "permission-dismissed": entry(
    "Je hebt de vraag van je browser gesloten",
    "Zonder je antwoord bereikt deze site de eID-agent niet.",
    "Kies “Probeer opnieuw” en antwoord daarna op de vraag van je browser.",
    company,
  ),
  "agent-too-old": entry(
    "De eID-agent is te oud",
    "De versie van de eID-agent op deze computer past niet bij deze site.",
    "Installeer de nieuwste versie van de eID-agent.",
    again,
  ),
  "other-user": entry(
    "Deze eID-agent is van iemand anders",
    "Iemand anders is ook op deze computer aangemeld en gebruikt hem.",
    "Start je eigen eID-agent.",
    again,
  ),
  "origin-refused": entry(
    "De eID-agent laat deze site niet toe",
    "De instellingen van de eID-agent op deze computer houden deze site tegen.",
    "Gebruik je een computer van je werk of van een bibliotheek? Vraag daar hulp.",
    company,
  ),
  "no-reader": entry(
    "Er is geen kaartlezer",
    "De eID-agent vindt geen kaartlezer aan deze computer.",
    "Steek je kaartlezer in een USB-poort van je computer.",
    again,
  ),
  "pcsc-unavailable": entry(
    "De kaartlezer werkt niet",
    "De dienst voor kaartlezers draait niet op deze computer.",
    "Start je computer opnieuw op.",
    again,
  ),
  "no-card": entry(
    "Er zit geen kaart in de lezer",
    "We kunnen je identiteitskaart nog niet lezen.",
    "Steek je identiteitskaart in de kaartlezer, met de chip naar voren.",
    again,
  ),
  "unsupported-card": entry(
    "Deze kaart kennen we niet",
    "De kaart in de lezer is geen Belgische identiteitskaart die we kunnen gebruiken.",
    "Haal de kaart uit de lezer en steek je identiteitskaart (eID) erin.",
    again,
  ),
  "card-unreadable": entry(
    "We kunnen je kaart niet lezen",
    "De kaart geeft geen goed antwoord.",
    "Haal de kaart uit de lezer en veeg de chip schoon met een zachte doek.",
    "Steek de kaart er opnieuw in.",
    again,
    `Lukt het niet? ${municipality}`,
  ),
  "card-not-activated": entry(
    "Je kaart is nog niet actief",
    "Je hebt deze kaart nog niet afgehaald of geactiveerd.",
    `${municipality} Neem je kaart en je uitnodiging mee.`,
  ),
  "card-removed": entry(
    "Je kaart is uit de lezer gehaald",
    "We waren nog niet klaar met lezen.",
    "Steek je kaart opnieuw in de lezer en laat ze zitten.",
    again,
  ),
  "card-changed": entry(
    "Er zit een andere kaart in de lezer",
    "De kaart is veranderd terwijl je bezig was. Je PIN-code is niet gebruikt.",
    "Steek je eigen kaart in de lezer en laat ze zitten.",
    again,
  ),
  "no-certificate": entry(
    "Met deze kaart kun je niet aanmelden",
    "Op deze kaart staat geen certificaat om aan te melden. Bij een Kids-ID van een jong kind is dat normaal.",
    "Gebruik je eigen identiteitskaart.",
    `Is dit je eigen kaart? ${municipality} Daar kunnen ze je certificaten in orde brengen.`,
    company,
  ),
  "certificate-expired": entry(
    "Je kaart is vervallen",
    "Het certificaat om aan te melden is niet meer geldig.",
    `${municipality} Vraag een nieuwe identiteitskaart.`,
    company,
  ),
  "pin-incorrect": entry(
    "Je PIN-code is niet juist",
    "Je kaart heeft de PIN-code geweigerd.",
    "Let op: na 3 foute codes na elkaar blokkeert je PIN-code.",
    "Zoek eerst je juiste PIN-code. Het is de code die je koos bij de gemeente.",
    again,
  ),
  "pin-blocked": entry(
    "Je PIN-code is geblokkeerd",
    "Er is 3 keer na elkaar een foute PIN-code gegeven, nu of al eerder. Je kaart zelf is nog geldig.",
    `${municipality} Daar maken ze je PIN-code weer vrij.`,
    "Is je kaart van april 2021 of later? Dan heb je geen brief met een PUK-code nodig: die bestaat niet meer. Is je kaart ouder? Neem dan je brief met de PUK-code mee, als je die nog hebt.",
    company,
  ),
  "user-cancelled": entry(
    "Je bent gestopt",
    "Je hebt de vraag van de eID-agent niet aanvaard.",
    "Wil je toch verder? Kies “Probeer opnieuw”.",
    company,
  ),
  busy: entry(
    "De eID-agent is nog bezig",
    "Er staat al een andere vraag open, misschien van een ander venster.",
    "Beantwoord of sluit eerst die vraag.",
    again,
  ),
  timeout: entry(
    "Het duurde te lang",
    "De eID-agent kreeg geen antwoord op tijd.",
    "Hou je kaart en je PIN-code klaar.",
    again,
  ),
  "no-user-interface": entry(
    "De eID-agent kan je niets vragen",
    "De eID-agent kan op deze computer geen venster of terminal gebruiken.",
    "Start de eID-agent opnieuw in een terminalvenster.",
    again,
  ),
  "login-refused": entry(
    "Aanmelden is niet gelukt",
    "We konden niet zeker zijn dat het bewijs van je kaart echt is.",
    "Probeer het nog een keer. Je moet dan opnieuw je PIN-code geven.",
    company,
  ),
  "test-refused": entry(
    "Dit is een testkaart",
    "Deze site aanvaardt alleen echte identiteitskaarten.",
    "Steek je eigen identiteitskaart in de lezer.",
    again,
  ),
  "unknown-issuer": entry(
    "We aanvaarden deze kaart niet",
    "Deze demo werkt alleen met testkaarten, niet met een echte kaart, of omgekeerd.",
    "Steek een andere kaart in de lezer.",
    again,
  ),
  "data-refused": entry(
    "We kunnen je gegevens niet vertrouwen",
    "De handtekening van het Rijksregister past niet bij de gegevens van de kaart. We hebben ze niet bewaard.",
    "Probeer het nog een keer.",
    `Lukt het niet? ${municipality}`,
    company,
  ),
  "other-person": entry(
    "Dit is de kaart van iemand anders",
    "Je meldde aan met een andere kaart dan de kaart die we daarna lazen. We hebben de gegevens niet bewaard.",
    "Steek je eigen kaart in de lezer.",
    "Meld je opnieuw aan met die kaart.",
  ),
  "session-ended": entry(
    "Je bent afgemeld",
    "Na 15 minuten melden we je af. Je gegevens zijn weg uit deze pagina.",
    "Meld je opnieuw aan als je verder wilt.",
  ),
  "portal-unavailable": entry(
    "De website antwoordt niet",
    "Deze demo is gestopt, of de verbinding is weg.",
    "Start de demo opnieuw en open de nieuwe pagina.",
  ),
  "internal-error": entry(
    "Er ging iets mis",
    "Dit hadden we niet verwacht.",
    again,
    company,
  ),
};

/** The code for what `detect` found; words and picture are the client's own. */
export const FOUND = {
  "permission-not-asked": "permission-dismissed",
  "permission-dismissed": "permission-dismissed",
  "permission-denied": "permission-denied",
  "not-running-or-not-trusted": "agent-unavailable",
  "too-old": "agent-too-old",
  "other-user": "other-user",
};

/** What the client has words in for those states. */
export const LANGUAGES = ["nl", "fr", "de", "en"];

const SAME = {
  "user-denied": "user-cancelled",
  "policy-denied": "origin-refused",
  "host-refused": "origin-refused",
  "too-many-requests": "busy",
};

function tries(count) {
  if (count === 1) return " Je hebt nog 1 poging. Is die fout, dan blokkeert je PIN-code.";
  return ` Je hebt nog ${count} pogingen.`;
}

/** What the site has of the person: nothing, from the login, or from the card as well. */
const HELD = {
  nothing: " We hebben niets van je bewaard.",
  login: " Van het aanmelden hebben we je naam en je rijksregisternummer, en niets anders. Kies “Afmelden” als je dat niet wilt. Dan zijn ze weg.",
  data: " We hebben nog je naam, je rijksregisternummer en je adres van daarnet. Kies “Afmelden” als je dat niet wilt. Dan zijn ze weg.",
};
const SAY_HELD = new Set(["user-cancelled", "card-removed", "card-changed", "timeout", "internal-error"]);

/**
 * Title, text and steps for a code; one that we do not know is an internal error.
 * `held` is a key of HELD, `test` tells that this site takes test cards alone.
 */
export function explain(code, { triesLeft, held = "nothing", test = false } = {}) {
  let known = SAME[code] ?? code;
  if (test && known === "unsupported-card") known = "unknown-issuer";
  if (!Object.hasOwn(ERRORS, known)) known = "internal-error";
  const said = ERRORS[known];
  let more = SAY_HELD.has(known) ? HELD[held] : "";
  if (known === "pin-incorrect" && triesLeft !== undefined) more = tries(triesLeft);
  return { ...said, text: said.text + more };
}

/** What the page says while it waits, and what to do in the terminal. */
export const WAITING = {
  login: {
    title: "Meld je aan",
    text: "De eID-agent vraagt of je wilt aanmelden bij deze site.",
    terminal: "Lees de vraag en typ daar je PIN-code. Druk daarna op Enter. Is het je laatste poging? Dan vraagt de agent eerst of je wilt doorgaan.",
  },
  read: {
    title: "Laat je kaart lezen",
    text: "Je bent aangemeld. Nu vraagt de eID-agent of wij je gegevens mogen lezen. Laat je kaart in de lezer.",
    terminal: "Typ y en druk op Enter als je akkoord gaat. Typ n als je dat niet wilt.",
  },
  confirm: { title: "Even geduld", text: "We leggen je antwoord vast.", terminal: null },
};

"""What the titles of sections mean, in the languages that plans are written in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum

from autopack.plan.normalise.words import starts_with_verb


class Role(StrEnum):
    """What a part of the text is for."""

    GOAL = "goal"
    CRITERIA = "criteria"
    NON_GOALS = "non_goals"
    CONTEXT = "context"
    VALIDATION = "validation"
    ASIDE = "aside"
    """Neither work nor of use to those who do it: what is done, dates, people, measures."""
    WORK = "work"


# German, French, Spanish, Portuguese, Italian, Dutch, Polish, Czech, Swedish, Danish, Turkish,
# Russian, Ukrainian, Chinese, Japanese, Korean; accents count for nothing.
_TITLES: Mapping[Role, str] = {
    Role.NON_GOALS: """
        non goal|non goals|nongoals|anti goals|no goals|out of scope|not in scope|beyond scope
        |not part of it|not part of this|exclusions|excluded|limits of scope|not included
        |wont do|we wont do|what we wont do|what we will not do|what this is not|not doing
        |what is not included|what not to do|do not do|donts|not now|not planned|out
        |alternatives|rejected|rejected alternatives|alternatives considered
        |alternatives rejected|considered alternatives|rejected options|rejected ideas
        |rationale and alternatives|options|options considered|considered and rejected
        |rejected approaches|approaches considered
        |discarded alternatives|discarded ideas|discarded|dismissed|ruled out|other options
        |other approaches|trade offs|prior art
        |nicht ziele|nichtziele|keine ziele|nicht ziel|ausserhalb des umfangs|abgrenzung
        |nicht im umfang|nicht teil dieser aufgabe|nicht enthalten|was wir nicht tun
        |verworfen|verworfene alternativen|verworfene ideen|abgelehnt|abgelehnte alternativen
        |alternativen|ausgeschlossen|ausschlusse
        |non objectifs|non objectif|hors perimetre|hors scope|hors champ|hors sujet|exclus
        |alternatives rejetees|alternatives ecartees|alternatives envisagees|options ecartees
        |ce que nous ne ferons pas|rejete|ecarte
        |no objetivos|fuera de alcance|fuera del alcance|no incluido|exclusiones
        |alternativas|alternativas descartadas|alternativas rechazadas|alternativas consideradas
        |opciones descartadas|descartado|rechazado|lo que no haremos
        |nao objetivos|fora do escopo|fora de escopo|fora do ambito|alternativas rejeitadas
        |rejeitado|o que nao faremos
        |non obiettivi|fuori ambito|fuori portata|fuori scopo|alternative scartate
        |alternative|alternative considerate|alternative rifiutate|scartato
        |niet doelen|geen doelen|buiten scope|buiten bereik|afgewezen alternatieven
        |verworpen alternatieven|alternatieven|afgewezen
        |poza zakresem|nie cele|odrzucone alternatywy|alternatywy|odrzucone
        |mimo rozsah|necile|zamitnute alternativy|alternativy
        |utanfor omfattningen|icke mal|ej mal|forkastade alternativ|alternativ
        |uden for scope|ikke mal|fravalgte alternativer|alternativer
        |kapsam disi|hedef olmayanlar|reddedilen alternatifler|alternatifler
        |вне рамок|вне объема|вне области|не цели|нецели|не входит|что не делаем|не делаем
        |отклоненные альтернативы|отвергнутые альтернативы|отклонено|альтернативы
        |поза рамками|не цілі|поза межами|відхилені альтернативи|альтернативи
        |خارج النطاق|ليس ضمن النطاق|غير الاهداف|البدائل المرفوضة|ngoài phạm vi|không thuộc phạm vi
        |các phương án bị loại|rajauksen ulkopuolella|ei tavoitteet|hylatyt vaihtoehdot
        |nem cel|nem celok|hatokoron kivul|elvetett alternativak|מחוץ לתחום|לא במטרה
        |εκτος πεδιου|μη στοχοι|di luar cakupan|bukan tujuan|alternatif yang ditolak
        |in afara domeniului|दायरे से बाहर|นอกขอบเขต
        |非目标|非目標|不在范围|范围外|範圍外|不包括|不做|不做的事|否决的方案|被否决的方案|放弃的方案
        |备选方案|替代方案|被拒绝的方案|已否决
        |対象外|範囲外|非目標|スコープ外|やらないこと|却下した案|却下案|不採用案|代替案|検討した代替案
        |범위 밖|범위 외|비목표|제외|하지 않을 것|기각된 대안|거부된 대안|대안
        """,
    Role.CRITERIA: """
        success criteria|acceptance criteria|exit criteria|definition of done|done when
        |completion criteria|acceptance|requirements met when
        |erfolgskriterien|akzeptanzkriterien|abnahmekriterien|fertig wenn
        |criteres de succes|criteres d acceptation|criteres de reussite
        |criterios de exito|criterios de aceptacion|criterios de sucesso|criterios de aceitacao
        |criteri di successo|criteri di accettazione|acceptatiecriteria|succescriteria
        |kryteria akceptacji|kryteria sukcesu|akceptacni kriteria|acceptanskriterier
        |acceptkriterier|kabul kriterleri|критерии приемки|критерии успеха|критерії приймання
        |验收标准|成功标准|驗收標準|受け入れ基準|受入基準|成功基準|완료 기준|인수 조건|성공 기준
        """,
    Role.VALIDATION: """
        validation|verification|how to test|how to verify|how to validate|checks|how to check
        |test plan|testing
        |validierung|verifikation|uberprufung|prufung
        |verification|verificacion|validacion|verificacao|validacao|verifica|validazione
        |verificatie|validatie|weryfikacja|walidacja|overeni|verifiering|validering|dogrulama
        |проверка|валидация|перевірка|验证|驗證|検証|검증
        """,
    Role.GOAL: """
        goal|goals|the goal|the goals|objective|objectives|the objective|aim|purpose|summary|tl dr
        |tldr
        |ziel|ziele|zweck|zusammenfassung|objectif|objectifs|but|resume|objetivo|objetivos
        |resumen|resumo|obiettivo|obiettivi|scopo|doel|doelen|cel|cele|cil|cile|mal|amac|hedef
        |цель|цели|мета|ціль|目标|目標|目的|목표|목적
        """,
    Role.ASIDE: """
        done|completed|finished|already done|shipped|closed|resolved|what is done|work done
        |completed tasks|completed work|history|changelog|release notes|progress|status
        |recently completed|future work|future|later|deferred|postponed|follow ups|follow up work
        |next quarter|backlog|icebox|parking lot|someday|nice to have|stretch goals|ideas
        |success metrics|metrics|kpis|kpi|key results|okrs|measures of success|measurement
        |timeline|schedule|milestones and dates|deadlines|dates|estimates|estimate|effort|budget
        |stakeholders|people|team|owners|reviewers|approvers|attendees|participants|contacts
        |authors|credits|consequences|implications|impact|drawbacks|pros|cons|pros and cons
        |mitigations|rollback|rollback plan|rollback strategy|roll back
        |risks|open questions|questions|unresolved questions|appendix|acknowledgements|license
        |erledigt|fertig|abgeschlossen|geschafft|bereits erledigt|umgesetzt|verlauf
        |spater|zukunft|kunftige arbeit|ausblick|ideen|erfolgsmetriken|metriken|kennzahlen
        |zeitplan|termine|beteiligte|offene fragen|fragen|risiken|folgen|konsequenzen|auswirkungen
        |termine|fait|deja fait|acheve|travaux futurs|plus tard|metriques|indicateurs
        |calendrier|planning|parties prenantes|questions ouvertes|risques|consequences
        |hecho|completado|terminado|trabajo futuro|mas adelante|metricas|metricas de exito
        |indicadores|cronograma|calendario|interesados|preguntas abiertas|riesgos|consecuencias
        |feito|concluido|trabalho futuro|perguntas em aberto|riscos|consequencias|cronograma
        |fatto|completato|completati|lavori futuri|metriche|tempistiche|domande aperte|rischi
        |klaar|gedaan|afgerond|later werk|metrieken|planning|open vragen|risico s|gevolgen
        |zrobione|gotowe|ukonczone|na pozniej|metryki|harmonogram|otwarte pytania|ryzyka
        |hotovo|pozdeji|otevrene otazky|rizika|klart|fardigt|senare|oppna fragor|risker
        |faerdig|senere|abne sporgsmal|tamamlandi|yapildi|daha sonra|acik sorular|riskler
        |готово|сделано|выполнено|завершено|позже|на будущее|метрики|сроки|открытые вопросы|риски
        |зроблено|виконано|пізніше|відкриті питання|ризики
        |تم|مكتمل|منجز|đã xong|hoàn thành|đã hoàn thành|valmis|tehty|kesz|elkeszult|בוצע|הושלם
        |ολοκληρωθηκαν|selesai|sudah selesai|finalizat|पूर्ण|เสร็จแล้ว
        |checklist|pr checklist|review checklist|before submitting|type of change
        |已完成|完成|完了|済み|完了済み|已做|以后|未来工作|将来|今後|成功指标|指标|指標|时间表|日程
        |风险|リスク|开放问题|未解決の問題|완료|완료됨|향후 작업|지표|일정|위험|미해결 질문
        """,
    Role.CONTEXT: """
        background|context|motivation|note|notes|rationale|references|reference|links|see also
        |current state|current behaviour|current behavior|why|problem|the problem
        |problem statement|assumptions|constraints|glossary|overview|introduction|discussion
        |description of the problem|user story|user stories
        |critical files|key files|relevant files|important files|files to read|files|files of note
        |where to look|pointers|dependencies|prerequisites|environment|architecture
        |hintergrund|kontext|anmerkungen|anmerkung|hinweise|begrundung|verweise|ausgangslage
        |problem|das problem|annahmen|randbedingungen|glossar|uberblick|einleitung
        |wichtige dateien|relevante dateien|dateien|voraussetzungen
        |contexte|remarques|probleme|le probleme|hypotheses|contraintes|introduction
        |fichiers importants|fichiers critiques|fichiers cles
        |contexto|antecedentes|notas|problema|el problema|supuestos|restricciones|introduccion
        |archivos importantes|archivos clave|archivos criticos|observacoes|o problema|introducao
        |arquivos importantes|contesto|note|il problema|introduzione|file importanti
        |achtergrond|context|opmerkingen|probleem|aannames|inleiding|belangrijke bestanden
        |tlo|kontekst|uwagi|problem|wprowadzenie|wazne pliki|pozadi|poznamky|bakgrund|baggrund
        |arka plan|baglam|notlar|контекст|предпосылки|заметки|проблема|введение|важные файлы
        |передумови|нотатки|背景|上下文|说明|備考|备注|问题|課題|前提|重要文件|关键文件|参考
        |概要|はじめに|重要なファイル|배경|맥락|참고|문제|개요|주요 파일
        |guide level explanation|reference level explanation|user scenarios|user scenarios testing
        |steps to reproduce|to reproduce|how to reproduce|reproduction|repro|repro steps
        |reproduction steps|reproducer|minimal example|expected behavior|expected behaviour
        |actual behavior|actual behaviour|expected|actual|expected result|actual result
        |observed behavior|observed behaviour|environment|system info|versions|logs|log output
        |stack trace|traceback|screenshots|additional context|additional information
        |schritte zum reproduzieren|erwartetes verhalten|tatsachliches verhalten|umgebung
        |etapes pour reproduire|comportement attendu|pasos para reproducir
        |comportamiento esperado|再現手順|期待される動作|复现步骤|预期行为
        |السياق|الخلفية|ملاحظات|bối cảnh|ghi chú|tausta|huomiot|hatter|megjegyzesek|רקע|πλαισιο
        |latar belakang|catatan|पृष्ठभूमि|context si fundal
        """,
    Role.WORK: """
        tasks|task|task list|to do|todo|to dos|todos|steps|work|work items|the work|plan|the plan
        |changes|implementation|implementation plan|implementation steps|what to do|action items
        |actions|next steps|proposal|proposed changes|proposed solution|solution|approach
        |decision|scope|in scope|what we will do|deliverables|requirements|features|fixes
        |remaining|remaining work|open|open tasks|in progress|doing|now|next
        |aufgaben|aufgabe|schritte|umsetzung|anderungen|zu tun|offen|vorschlag|losung|massnahmen
        |taches|tache|etapes|a faire|mise en oeuvre|changements|proposition|solution
        |tareas|tarea|pasos|por hacer|implementacion|cambios|propuesta|solucion|pendiente
        |tarefas|passos|a fazer|implementacao|mudancas|alteracoes|proposta|solucao
        |attivita|compiti|passi|da fare|implementazione|modifiche|proposta|soluzione
        |taken|stappen|te doen|implementatie|wijzigingen|voorstel|zadania|kroki|do zrobienia
        |zmiany|ukoly|kroky|zmeny|uppgifter|steg|att gora|andringar|opgaver|trin|aendringer
        |gorevler|adimlar|yapilacaklar|degisiklikler|задачи|шаги|план|сделать|изменения|решение
        |завдання|кроки|зміни|任务|任務|步骤|待办|待辦|计划|更改|改动|实现|实施|タスク|作業|手順|やること
        |المهام|مهام|الخطوات|nhiệm vụ|công việc|các bước|tehtavat|tehtavalista|vaiheet|feladatok
        |lepesek|משימות|צעדים|εργασιες|βηματα|tugas|langkah|sarcini|pasi|कार्य|งาน
        |変更|変更点|実装|計画|작업|할 일|단계|변경 사항|구현|계획
        """,
}
_ADDITION = re.compile(r"\s*(?:\(.*\)?|[:：–—].*|\s-\s.*)$")  # noqa: RUF001
_LEADING = re.compile(
    r"^(?:the|our|some|list of|explicit|main|initial|known|proposed|remaining|"
    r"unser\w*|die|der|das|les|le|la|los|las|el|os|as|il|gli|i) "
)
_TRAILING = re.compile(
    r" (?:for (?:now|v\d+|this .*)|of this .*|so far|considered|v\d+|yet|section|list|items?|"
    r"in v\d+|until .*|before .*)$"
)


_REJECTING = re.compile(
    r"\b(?:non goals?|out of scope|why not|not (?:in|for|part of) (?:this|the current|scope)"
    r"|rejected|discarded|dismissed|ruled out|wont|will not|not doing"
    r"|alternatives? (?:we )?considered|verworfene\w*|ecartee?s|descartad[ao]s|scartat[eio])\b"
    r"|\b(?:for|in) (?:a|the|another) (?:later|next|future|separate|follow up) "
    r"(?:pr|pull request|release|version|milestone|sprint|iteration|phase|plan)\b"
)

_PARTS = re.compile(r"\s*[/&+,]\s*|\s+(?:and|or|und|et|y|e|en|og|och|i|и|和|と)\s+", re.IGNORECASE)
_OPTION = re.compile(
    r"^(?:option|alternative|variant|approach|variante|opcion|opcao) (?:[a-z]|\d{1,2})$"
)


def role_of_title(title: str) -> Role | None:
    """Return what a section of this title is for; None when the title does not tell.

    Numbers, punctuation, accents, case and an addition in parentheses or behind a colon or a dash
    count for nothing. A title that is an order ("Implement alternatives") tells nothing.
    """
    whole = _bare(title)
    for candidate in (whole, _bare(_ADDITION.sub("", title))):
        shorter = _LEADING.sub("", candidate)
        for name in (candidate, shorter, _TRAILING.sub("", shorter)):
            if name in _BY_TITLE:
                return _BY_TITLE[name]
    if _OPTION.match(whole):
        return Role.ASIDE
    if _REJECTING.search(whole) and not starts_with_verb(title):
        return Role.NON_GOALS
    pieces = _PARTS.split(title)  # "Backlog / later", "Background and motivation"
    roles = [role_of_title(piece) for piece in pieces] if len(pieces) > 1 else []
    return roles[0] if roles and None not in roles and Role.WORK not in roles else None


def _bare(title: str) -> str:
    """``title`` in lower case, words only, without accents and numbering."""
    folded = unicodedata.normalize("NFKD", title.casefold().replace("'", "").replace("’", ""))  # noqa: RUF001
    letters = "".join(char for char in folded if not unicodedata.combining(char))
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", letters))
    while words and words[0].isdigit():
        words.pop(0)
    return " ".join(words)


_BY_TITLE: dict[str, Role] = {}
for _role, _words in _TITLES.items():
    for _title in _words.split("|"):
        _BY_TITLE.setdefault(_bare(_title), _role)

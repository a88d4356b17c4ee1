; The installer for Windows; `python -m installer.build exe` gives the defines:
;   MODE     user (one person, no rights needed) or machine (everybody, administrators)
;   VERSION, PROGRAM (the folder with the frozen program), OUTPUT (the installer's file)
; One script, two installers: one that could do both would have to ask for administrator
; rights before it knew. Built on Linux; not run on Windows yet.
;
; Switches: /S silent, /D=FOLDER (last), /AUTOSTART=0, /LANGUAGE=nl|fr|de|en, and for the
; machine /POLICY=FILE. The uninstaller: /S, /KEEPDATA. Exit code 2: a wrong switch.

Unicode true
ManifestDPIAware true
SetCompressor /SOLID lzma

!include "FileFunc.nsh"
!include "LogicLib.nsh"
!include "MUI2.nsh"
!include "x64.nsh"

!define NAME "eID agent"
!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\eid-agent"
!define SCHEME "Software\Classes\eid-agent"
!define RUN "Software\Microsoft\Windows\CurrentVersion\Run"
; Everything lies one folder deeper, so that no other folder can ever be emptied.
!define FILES "$INSTDIR\program"

Name "${NAME}"
OutFile "${OUTPUT}"
BrandingText "${NAME} ${VERSION}"
!if "${MODE}" == "machine"
  RequestExecutionLevel admin
  InstallDir "$PROGRAMFILES64\eid-agent"
!else if "${MODE}" == "user"
  RequestExecutionLevel user
  InstallDir "$LOCALAPPDATA\Programs\eid-agent"
!else
  !error "MODE is user or machine"
!endif

!define MUI_ABORTWARNING
!insertmacro MUI_PAGE_WELCOME
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "Dutch"
!insertmacro MUI_LANGUAGE "French"
!insertmacro MUI_LANGUAGE "German"

LangString SWITCH ${LANG_ENGLISH} "A switch is wrong, or does not go with this installer."
LangString SWITCH ${LANG_DUTCH} "Een optie is fout, of past niet bij dit installatieprogramma."
LangString SWITCH ${LANG_FRENCH} "Une option est fausse, ou ne va pas avec cet installateur."
LangString SWITCH ${LANG_GERMAN} "Eine Option ist falsch oder passt nicht zu diesem Installationsprogramm."
LangString POLICY ${LANG_ENGLISH} "The policy could not be put in place."
LangString POLICY ${LANG_DUTCH} "Het beleidsbestand kon niet op zijn plaats worden gezet."
LangString POLICY ${LANG_FRENCH} "Le fichier de règles n'a pas pu être mis en place."
LangString POLICY ${LANG_GERMAN} "Die Richtliniendatei konnte nicht abgelegt werden."
LangString TRUST ${LANG_ENGLISH} "The certificate was not taken out of every browser."
LangString TRUST ${LANG_DUTCH} "Het certificaat is niet uit elke browser gehaald."
LangString TRUST ${LANG_FRENCH} "Le certificat n'a pas été retiré de chaque navigateur."
LangString TRUST ${LANG_GERMAN} "Das Zertifikat wurde nicht aus jedem Browser entfernt."

Var Autostart
Var Speech
Var Policy

; Start menu, registry and common folders are everybody's, or the person's.
!macro CONTEXT
  SetRegView 64
  !if "${MODE}" == "machine"
    SetShellVarContext all
  !else
    SetShellVarContext current
  !endif
!macroend

; Ends the agent of who runs this. Another person's one keeps its files open: Windows
; then replaces or removes those at the next start.
!macro QUIT
  ${If} ${FileExists} "${FILES}\eid-agent.exe"
    nsExec::Exec '"${FILES}\eid-agent.exe" quit'
    Pop $0
  ${EndIf}
!macroend

Function Refuse
  SetErrorLevel 2
  MessageBox MB_ICONSTOP "$(SWITCH)" /SD IDOK
  Quit
FunctionEnd

Function .onInit
  !insertmacro CONTEXT
  ${IfNot} ${RunningX64}
    Call Refuse
  ${EndIf}
  ${GetParameters} $R0
  ; An upgrade keeps what was chosen: no value of ours means that it was switched off.
  StrCpy $Autostart 1
  ReadRegStr $0 SHCTX "${UNINSTALL}" "DisplayVersion"
  ReadRegStr $1 SHCTX "${RUN}" "eid-agent"
  ${If} $0 != ""
  ${AndIf} $1 == ""
    StrCpy $Autostart 0
  ${EndIf}
  ClearErrors
  ${GetOptions} $R0 "/AUTOSTART=" $R1
  ${IfNot} ${Errors}
    StrCpy $Autostart $R1
  ${EndIf}
  ${If} $Autostart != "0"
  ${AndIf} $Autostart != "1"
    Call Refuse
  ${EndIf}
  ClearErrors
  ${GetOptions} $R0 "/LANGUAGE=" $Speech
  ${IfNot} ${Errors}
    ${Select} $Speech
    ${Case4} "nl" "fr" "de" "en"
    ${CaseElse}
      Call Refuse
    ${EndSelect}
  ${EndIf}
  ClearErrors
  ${GetOptions} $R0 "/POLICY=" $Policy
  ${IfNot} ${Errors}
    !if "${MODE}" == "machine"
      ${IfNot} ${FileExists} "$Policy"
        Call Refuse
      ${EndIf}
    !else
      Call Refuse ; a policy is an administrator's
    !endif
  ${EndIf}
FunctionEnd

Section "-install"
  !insertmacro CONTEXT
  !insertmacro QUIT
  ; What an earlier version had and this one has not goes.
  RMDir /r /REBOOTOK "${FILES}"
  SetOutPath "${FILES}"
  File /r "${PROGRAM}\*"
  SetOutPath "$INSTDIR"
  ${If} $Speech != "" ; else the one of an earlier installation stays
    FileOpen $0 "$INSTDIR\language.txt" w
    FileWrite $0 $Speech
    FileClose $0
  ${EndIf}
  WriteUninstaller "$INSTDIR\uninstall.exe"

  CreateShortcut "$SMPROGRAMS\${NAME}.lnk" "${FILES}\eid-agent-start.exe"

  ; No placeholder: nothing of a link's text is handed on (and the starter looks at none).
  WriteRegStr SHCTX "${SCHEME}" "" "URL:${NAME}"
  WriteRegStr SHCTX "${SCHEME}" "URL Protocol" ""
  WriteRegStr SHCTX "${SCHEME}\shell\open\command" "" '"${FILES}\eid-agent-start.exe"'

  ; The value that the tray's "start with the computer" writes and removes for a person.
  ${If} $Autostart == "1"
    WriteRegStr SHCTX "${RUN}" "eid-agent" '"${FILES}\eid-agent-start.exe"'
  ${Else}
    DeleteRegValue SHCTX "${RUN}" "eid-agent"
  ${EndIf}

  WriteRegStr SHCTX "${UNINSTALL}" "DisplayName" "${NAME}"
  WriteRegStr SHCTX "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr SHCTX "${UNINSTALL}" "Publisher" "eid-agent maintainers"
  WriteRegStr SHCTX "${UNINSTALL}" "InstallLocation" "$INSTDIR"
  WriteRegStr SHCTX "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr SHCTX "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD SHCTX "${UNINSTALL}" "NoModify" 1
  WriteRegDWORD SHCTX "${UNINSTALL}" "NoRepair" 1
  ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
  WriteRegDWORD SHCTX "${UNINSTALL}" "EstimatedSize" $0

  !if "${MODE}" == "machine"
    ${If} $Policy != ""
      Call PutPolicy
    ${EndIf}
  !endif

  ; Explorer starts it as the person, also where the installer has more rights.
  IfSilent +2
  Exec '"$WINDIR\explorer.exe" "$SMPROGRAMS\${NAME}.lnk"'
SectionEnd

!if "${MODE}" == "machine"
; %ProgramData% lets everybody make folders and, in them, files. The agent believes a
; policy that administrators alone can write: owner and access list are set anew.
Function PutPolicy
  StrCpy $R1 "$APPDATA\eid-agent"
  RMDir "$R1" ; a link in its place, or an empty folder
  CreateDirectory "$R1"
  System::Call 'kernel32::GetFileAttributes(t "$R1") i .r0'
  IntOp $0 $0 & 0x400 ; FILE_ATTRIBUTE_REPARSE_POINT
  ${If} $0 != 0
    Goto failed
  ${EndIf}
  nsExec::ExecToLog '"$SYSDIR\icacls.exe" "$R1" /setowner *S-1-5-32-544'
  Pop $0
  ${If} $0 != 0
    Goto failed
  ${EndIf}
  ; SYSTEM and administrators everything, users reading.
  nsExec::ExecToLog '"$SYSDIR\icacls.exe" "$R1" /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F *S-1-5-32-545:(OI)(CI)RX'
  Pop $0
  ${If} $0 != 0
    Goto failed
  ${EndIf}
  ; What somebody else made there before keeps its own owner and list, so it goes.
  Delete "$R1\policy.json"
  ClearErrors
  CopyFiles /SILENT "$Policy" "$R1\policy.json"
  ${If} ${Errors}
    Goto failed
  ${EndIf}
  nsExec::ExecToLog '"$SYSDIR\icacls.exe" "$R1\policy.json" /setowner *S-1-5-32-544'
  Pop $0
  ${If} $0 != 0
    Goto failed
  ${EndIf}
  WriteRegDWORD SHCTX "${UNINSTALL}" "PolicyInstalled" 1
  Return
failed:
  SetErrorLevel 1
  MessageBox MB_ICONSTOP "$(POLICY)" /SD IDOK
FunctionEnd
!endif

Function un.onInit
  !insertmacro CONTEXT
FunctionEnd

Section "Uninstall"
  !insertmacro CONTEXT
  ; First, while the program is there: it ends, and its certificate leaves the browsers.
  !insertmacro QUIT
  nsExec::ExecToLog '"${FILES}\eid-agent.exe" trust remove'
  Pop $R9
  ${If} $R9 != 0
    DetailPrint "$(TRUST)"
    SetErrorLevel 1
  ${EndIf}

  !if "${MODE}" == "machine"
    ReadRegDWORD $0 SHCTX "${UNINSTALL}" "PolicyInstalled"
    ${If} $0 == 1
      Delete "$APPDATA\eid-agent\policy.json"
      RMDir "$APPDATA\eid-agent"
    ${EndIf}
  !endif
  DeleteRegKey SHCTX "${UNINSTALL}"
  DeleteRegKey SHCTX "${SCHEME}"
  DeleteRegValue SHCTX "${RUN}" "eid-agent"
  DeleteRegValue HKCU "${RUN}" "eid-agent" ; the tray's
  Delete "$SMPROGRAMS\${NAME}.lnk"

  ; Grants, journal and certificate of who runs this. While a store still has the
  ; certificate, the folder is what says so.
  ${GetParameters} $R0
  ClearErrors
  ${GetOptions} $R0 "/KEEPDATA" $R1
  ${If} ${Errors}
  ${AndIf} $R9 == 0
    SetShellVarContext current
    RMDir /r "$LOCALAPPDATA\eid-agent"
    !insertmacro CONTEXT
  ${EndIf}

  RMDir /r /REBOOTOK "${FILES}"
  Delete "$INSTDIR\language.txt"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
SectionEnd

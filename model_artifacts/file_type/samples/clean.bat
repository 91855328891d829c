@echo off
setlocal
set TARGET=%~1
if "%TARGET%"=="" set TARGET=build
if not exist "%TARGET%" (
    echo %TARGET% is not there
    exit /b 1
)
rmdir /s /q "%TARGET%"
mkdir "%TARGET%"
for %%f in (src\*.txt) do copy "%%f" "%TARGET%" >nul
endlocal

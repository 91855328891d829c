param(
    [Parameter(Mandatory = $true)][string]$Name,
    [int]$TimeoutSeconds = 30
)

$service = Get-Service -Name $Name -ErrorAction Stop
if ($service.Status -ne 'Running') {
    Start-Service -InputObject $service
    $service.WaitForStatus('Running', [TimeSpan]::FromSeconds($TimeoutSeconds))
}
Get-EventLog -LogName System -Source $Name -Newest 5 | Format-Table TimeGenerated, Message

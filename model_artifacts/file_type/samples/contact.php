<?php
declare(strict_types=1);

namespace App\Form;

final class Contact
{
    public function __construct(private string $sender, private string $text) {}

    public function isValid(): bool
    {
        return filter_var($this->sender, FILTER_VALIDATE_EMAIL) !== false && trim($this->text) !== '';
    }
}

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $contact = new Contact($_POST['sender'] ?? '', $_POST['text'] ?? '');
    http_response_code($contact->isValid() ? 204 : 422);
}

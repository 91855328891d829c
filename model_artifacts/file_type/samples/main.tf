terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 5.0" }
  }
}

variable "stage" {
  type    = string
  default = "dev"
}

resource "aws_s3_bucket" "inputs" {
  bucket_prefix = "inputs-${var.stage}-"
}

output "bucket" {
  value = aws_s3_bucket.inputs.id
}

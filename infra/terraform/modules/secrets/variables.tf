variable "project_id" {
  description = "The project of the secrets."
  type        = string
}

variable "region" {
  description = "The only region that they are kept in."
  type        = string
}

variable "names" {
  description = "The secrets, without the prefix that all have. Their values come from people and from scripts/bootstrap, never from Terraform: it would keep them in its state."
  type        = set(string)
  validation {
    condition     = alltrue([for name in var.names : can(regex("^[a-z][a-z0-9-]+$", name))])
    error_message = "A secret's name is lower case letters, digits and dashes."
  }
}

variable "project_id" {
  description = "The project of production."
  type        = string
}

variable "region" {
  description = "The region that all of it runs in."
  type        = string
  default     = "asia-northeast1"
}

variable "host" {
  description = "The host name that merchants, payers and providers use, such as pay.example.com."
  type        = string
}

variable "image_tag" {
  description = "The tag of the images that functions start with. Later ones are Cloud Deploy's."
  type        = string
}

variable "pager_emails" {
  description = "Who is woken by e-mail."
  type        = list(string)
  default     = []
}

variable "pager_channels" {
  description = "Who is woken otherwise (PagerDuty, Slack, SMS): notification channels by name, made in this project's Cloud Monitoring."
  type        = list(string)
  default     = []
  validation {
    condition     = length(var.pager_emails) + length(var.pager_channels) > 0
    error_message = "Somebody has to be woken: pager_emails or pager_channels."
  }
}

variable "ticket_emails" {
  description = "Who gets what can wait."
  type        = list(string)
  validation {
    condition     = length(var.ticket_emails) > 0
    error_message = "Somebody has to get what can wait."
  }
}

variable "escalation_emails" {
  description = "Who is told as well when a tenth of the month's budget is gone within an hour."
  type        = list(string)
  default     = []
}

variable "runbooks_url" {
  description = "Where this repository can be read, such as https://git.example.com/tollgate/blob/main: alerts then link to docs/runbooks below it."
  type        = string
  default     = ""
}

variable "has_objectives" {
  description = "Whether Cloud Monitoring keeps the objectives: false on a new project, until the morning after the first settled payment."
  type        = bool
  default     = true
}

variable "database_name" {
  description = "The database in the Spanner instance. Another one after a restore: see docs/runbooks/restore.md."
  type        = string
  default     = "tollgate"
}

variable "stripe" {
  description = "Whether Stripe is on."
  type        = bool
  default     = true
}

variable "paypal" {
  description = "Whether PayPal is on, and where it is; null: off."
  type        = object({ api_url = string })
  default     = null
}

variable "bank" {
  description = "What BANK_... are that are no secrets; null: the bank is off."
  type = object({
    api_url          = string
    signing_key_id   = string
    creditor_account = string
    creditor_name    = string
    settings         = optional(map(string), {})
  })
  default = null
}

variable "settings" {
  description = "Further environment variables of all functions, as README's table has them."
  type        = map(string)
  default     = {}
}

variable "staging" {
  description = "The project of staging, which releases go to first."
  type = object({
    project_id     = string
    project_number = string
  })
}

variable "capacity_per_second" {
  description = "Payments per second that production can take: the least of all bounds, at first what Stripe allows at an endpoint. From docs/capacity.md, as the sizes in main.tf."
  type        = number
  default     = 20
}
